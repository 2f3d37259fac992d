-- What a service with schema 12 left when it was killed.
PRAGMA application_id = 1246587244;
PRAGMA auto_vacuum = 2;
PRAGMA user_version = 12;
BEGIN TRANSACTION;
CREATE TABLE migrations ( version INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 BLOB NOT NULL, applied_at INTEGER NOT NULL) STRICT;
INSERT INTO migrations VALUES(1,'0001_jobs.sql',X'c4094f56f711b0ee536752f9281fd079b2163f5faa88f98517331ecd1f7e8c48',1795821173833911);
INSERT INTO migrations VALUES(2,'0002_lifecycle.sql',X'04ee5d7169b965e3333ced1cc552de6d4771aeefaf3ca40b041a939f539134c0',1795821173871825);
INSERT INTO migrations VALUES(3,'0003_schedules.sql',X'59f9217634487e2782285b4a6227941aa04a2884b26809cdbcc867c5b1379763',1795821173882064);
INSERT INTO migrations VALUES(4,'0004_leases.sql',X'bcf6eab0bdd72eb3984c39b15cc2d14b75ca38402dfa983654ec93e6d627e9a6',1795821173885881);
INSERT INTO migrations VALUES(6,'0006_trace.sql',X'49a693af53c44597aea291da84745956cd33df10d571864c1048fb488a4e2175',1795821173887333);
INSERT INTO migrations VALUES(7,'0007_owner.sql',X'5b5b60c57f87fa899accb019e396680e241c7f4d690ba8ad5d20367227b80643',1795821173892350);
INSERT INTO migrations VALUES(8,'0008_deliveries.sql',X'c6f95f4429cbbb155fd162a09d7d376e836a4ec73633a80913bfa56fa56cc008',1795821173893311);
INSERT INTO migrations VALUES(9,'0009_params.sql',X'3396cde6d4ef3c71d37e5a676be79791bb7649f92333e3a5e293f42ebac476ee',1795821173902069);
INSERT INTO migrations VALUES(10,'0010_checkpoints.sql',X'dcee4b8a82851c2a6a6294ddb5f4a96ec97f49a09d2a03abdf5ec912fba450e1',1795821173903194);
INSERT INTO migrations VALUES(11,'0011_plain_conditions.sql',X'c9cfe67927bda3f5e516610f3de7d6cfc3b282ac056613f4fd26cc051477c255',1795821173903618);
INSERT INTO migrations VALUES(12,'0012_delayed.sql',X'7acf4a401f6e57c20525b15a26eff57806f236ef3a9c673d5b5e8502be304845',1795821173909038);
CREATE TABLE tasks (
    task_id INTEGER PRIMARY KEY, -- 1, 2, 3, …; the index of a table in memory
    name    TEXT NOT NULL UNIQUE
, paused INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO tasks VALUES(1,'noop',0);
INSERT INTO tasks VALUES(2,'echo',0);
INSERT INTO tasks VALUES(3,'sleep',0);
INSERT INTO tasks VALUES(4,'primes',0);
INSERT INTO tasks VALUES(5,'sha256',0);
INSERT INTO tasks VALUES(6,'mandelbrot',0);
INSERT INTO tasks VALUES(7,'far',0);
CREATE TABLE jobs (
    key              INTEGER PRIMARY KEY,        -- the id's milliseconds and counter: grows with age
    tail             INTEGER NOT NULL,           -- the id's random bits: an id of another tail is unknown
    state            INTEGER NOT NULL,
    task_id          INTEGER NOT NULL,           -- tasks.task_id
    priority         INTEGER NOT NULL,           -- -100..100, greater runs first
    attempt          INTEGER NOT NULL,           -- current or last one; 0 before the first
    max_attempts     INTEGER NOT NULL,
    created_us       INTEGER NOT NULL,
    run_at_us        INTEGER NOT NULL,           -- when a scheduled job is due
    started_us       INTEGER NOT NULL DEFAULT 0, -- of the last attempt
    finished_us      INTEGER NOT NULL DEFAULT 0,
    timeout_us       INTEGER NOT NULL,           -- per attempt; 0 = none
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    input_type       TEXT NOT NULL,              -- '' = application/json
    result_type      TEXT NOT NULL DEFAULT '',
    error_code       TEXT NOT NULL DEFAULT '',   -- '' = no error
    error_message    TEXT NOT NULL DEFAULT '',
    error_signal     INTEGER NOT NULL DEFAULT 0,
    error_exit       INTEGER NOT NULL DEFAULT -1,
    tags             TEXT NOT NULL,              -- a JSON array, or '' for none; indexed by job_tags
    input_size       INTEGER NOT NULL,
    result_size      INTEGER,                    -- NULL: no result
    input            BLOB,                       -- NULL: larger than 1024 bytes, in blobs
    result           BLOB                        -- the same
, rank       INTEGER NOT NULL DEFAULT 0, held       INTEGER NOT NULL DEFAULT 0, waits      INTEGER NOT NULL DEFAULT 0, worker     INTEGER NOT NULL DEFAULT 0, expires_us INTEGER NOT NULL DEFAULT 0, group_key  INTEGER NOT NULL DEFAULT 0, group_tail INTEGER NOT NULL DEFAULT 0, run_anyway INTEGER NOT NULL DEFAULT 0, gathers    INTEGER NOT NULL DEFAULT 0, backoff    TEXT NOT NULL DEFAULT '', concurrency_key TEXT NOT NULL DEFAULT '', depends_on TEXT NOT NULL DEFAULT '', callback_url TEXT NOT NULL DEFAULT '', traceparent TEXT, owner TEXT NOT NULL DEFAULT '', params TEXT, delayed INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO jobs VALUES(7355683528581120,3400172921931367373,3,1,0,1,3,1795821173970000,1795821173970000,1795821173970376,1795821173970388,0,0,'','','','',0,-1,'["kept","done"]',4,4,X'6e756c6c',X'6e756c6c',1795821173970000,0,0,16826,0,0,0,0,0,'','','','',NULL,'',NULL,0);
INSERT INTO jobs VALUES(7355683528601600,2933227070685230713,3,2,0,1,3,1795821173975000,1795821173975000,1795821173976827,1795821173976838,0,0,'','','','',0,-1,'["kept"]',3012,3012,NULL,NULL,1795821173975000,0,0,16826,0,0,0,0,0,'','','','',NULL,'',NULL,0);
INSERT INTO jobs VALUES(7355683528646656,4174267894988511134,3,2,0,1,3,1795821173986000,1795821173986000,1795821173986339,1795821173986343,0,0,'','','','',0,-1,'',23,23,X'5b312c20322c207b2261223a20225c7530306663227d5d',X'5b312c20322c207b2261223a20225c7530306663227d5d',1795821173986000,0,0,16826,0,0,0,0,0,'','','','',NULL,'',NULL,0);
INSERT INTO jobs VALUES(7355683528663040,2525237963150034717,5,1,0,0,3,1795821173990000,1795907573990000,0,1795821173995018,0,1,'','','cancelled','the job was cancelled before it ran',0,-1,'',4,NULL,X'6e756c6c',X'00000000000000000000000000000000000000000000000000',1795821173990000,0,0,0,0,0,0,0,0,'','','','',NULL,'',NULL,1);
INSERT INTO jobs VALUES(7355683528699904,2166777182051706259,0,1,7,0,3,1795821173999000,1795907573999000,0,0,0,0,'','','','',0,-1,'["later"]',4,NULL,X'6e756c6c',X'00000000000000000000000000000000000000000000000000',1795820753999000,0,0,0,0,0,0,0,0,'','','','',NULL,'',NULL,1);
INSERT INTO jobs VALUES(7355683528761345,2137850866669010382,3,2,0,1,3,1795821174014000,1795821174014000,1795821174016407,1795821174016414,0,0,'','','','',0,-1,'',1,1,X'30',X'30',1795821174014000,0,0,16826,0,7355683528761344,2433800742034824757,0,0,'','','','',NULL,'',NULL,0);
INSERT INTO jobs VALUES(7355683528761346,3988306407486151873,3,2,0,1,3,1795821174014000,1795821174014000,1795821174016446,1795821174016458,0,0,'','','','',0,-1,'',1,1,X'31',X'31',1795821174014000,0,0,16827,0,7355683528761344,2433800742034824757,0,0,'','','','',NULL,'',NULL,0);
INSERT INTO jobs VALUES(7355683528761347,2135893882988915060,3,2,0,1,3,1795821174014000,1795821174014000,1795821174017969,1795821174017971,0,0,'','','','',0,-1,'',1,1,X'32',X'32',1795821174014000,0,0,16826,0,7355683528761344,2433800742034824757,0,0,'','','','',NULL,'',NULL,0);
INSERT INTO jobs VALUES(7355683528773632,2790523785193878311,2,3,0,1,2,1795821174017000,1795821174017000,1795821174017990,0,0,0,'','','','',0,-1,'["ran"]',16,NULL,X'7b227365636f6e6473223a203630307d',X'00000000000000000000000000',1795821174017000,0,0,0,0,0,0,0,0,'','','','',NULL,'',NULL,0);
INSERT INTO jobs VALUES(7355683528810496,2737803174577619623,0,1,0,0,3,1795821174026000,1795821174026000,0,0,0,0,'','','','',0,-1,'["child"]',4,NULL,X'6e756c6c',X'00000000000000000000000000000000000000000000000000',1795821174026000,0,1,0,0,0,0,0,1,'','','["01a21f48-7d01-7000-a6b9-ee9909c27327"]','',NULL,'',NULL,0);
INSERT INTO jobs VALUES(7355683528847360,2154249984449056452,3,1,0,1,3,1795821174035000,1795821174035000,1795821174037723,1795821174037732,0,0,'','','','',0,-1,'["after-group"]',4,4,X'6e756c6c',X'6e756c6c',1795821174035000,0,0,16827,0,0,0,0,1,'','','["01a21f48-7cfe-7000-a1c6-98e14b115e35"]','',NULL,'',NULL,0);
INSERT INTO jobs VALUES(7355683528880128,4559051344253773599,0,2,0,0,3,1795821174043000,1795907574043000,0,0,0,0,'','','','',0,-1,'',8,NULL,X'7b2275223a20317d',X'000000000000000000000000000000000000000000000000000000000000000000000000',1795821174043000,0,0,0,0,0,0,0,0,'','','','',NULL,'',NULL,1);
INSERT INTO jobs VALUES(7355683528908800,1724842847948162853,2,7,0,1,3,1795821174050000,1795821174050000,1795821174055540,0,0,0,'','','','',0,-1,'["far"]',4,NULL,X'6e756c6c',X'00000000000000000000000000',1795821174050000,0,0,0,0,0,0,0,0,'','','','',NULL,'',NULL,0);
CREATE TABLE blobs (
    blob_id INTEGER PRIMARY KEY, -- jobs.key * 4 + kind: 0 input, 1 result
    data    BLOB NOT NULL
) STRICT;
INSERT INTO blobs VALUES(29422734114406400,X'7b2274657874223a20226b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b227d');
INSERT INTO blobs VALUES(29422734114406401,X'7b2274657874223a20226b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b227d');
CREATE TABLE job_tags (
    tag TEXT NOT NULL,
    key INTEGER NOT NULL, -- jobs.key
    PRIMARY KEY (tag, key)
) STRICT, WITHOUT ROWID;
INSERT INTO job_tags VALUES('after-group',7355683528847360);
INSERT INTO job_tags VALUES('child',7355683528810496);
INSERT INTO job_tags VALUES('done',7355683528581120);
INSERT INTO job_tags VALUES('far',7355683528908800);
INSERT INTO job_tags VALUES('kept',7355683528581120);
INSERT INTO job_tags VALUES('kept',7355683528601600);
INSERT INTO job_tags VALUES('later',7355683528699904);
INSERT INTO job_tags VALUES('ran',7355683528773632);
CREATE TABLE counters (
    task_id INTEGER NOT NULL,
    state   INTEGER NOT NULL,
    n       INTEGER NOT NULL,
    PRIMARY KEY (task_id, state)
) STRICT, WITHOUT ROWID;
INSERT INTO counters VALUES(1,0,2);
INSERT INTO counters VALUES(1,2,0);
INSERT INTO counters VALUES(1,3,2);
INSERT INTO counters VALUES(1,5,1);
INSERT INTO counters VALUES(2,0,1);
INSERT INTO counters VALUES(2,1,0);
INSERT INTO counters VALUES(2,2,0);
INSERT INTO counters VALUES(2,3,5);
INSERT INTO counters VALUES(3,2,1);
INSERT INTO counters VALUES(7,1,0);
INSERT INTO counters VALUES(7,2,1);
CREATE TABLE idempotency (
    name        TEXT NOT NULL PRIMARY KEY, -- as the client wrote it
    fingerprint BLOB NOT NULL,             -- SHA-256 of the request
    key         INTEGER NOT NULL,          -- jobs.key
    tail        INTEGER NOT NULL,          -- jobs.tail
    expires_us  INTEGER NOT NULL
, kind INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
INSERT INTO idempotency VALUES('kept-key',X'17acd7d74d8f09b0411eab91427367bd9518c8b7edd31b33841742a66fe829e0',7355683528601600,2933227070685230713,1795907573975000,0);
CREATE TABLE attempts (
    key           INTEGER NOT NULL, -- jobs.key
    number        INTEGER NOT NULL,
    worker        INTEGER NOT NULL,
    started_us    INTEGER NOT NULL,
    finished_us   INTEGER NOT NULL,
    error_code    TEXT NOT NULL,
    error_message TEXT NOT NULL,
    error_signal  INTEGER NOT NULL,
    error_exit    INTEGER NOT NULL,
    PRIMARY KEY (key, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE job_groups (
    key         INTEGER PRIMARY KEY, -- the id's milliseconds and counter, as jobs.key
    tail        INTEGER NOT NULL,
    created_us  INTEGER NOT NULL,
    finished_us INTEGER NOT NULL DEFAULT 0, -- when its last job ended
    open        INTEGER NOT NULL DEFAULT 0, -- 1: jobs are still being added
    n0 INTEGER NOT NULL DEFAULT 0, n1 INTEGER NOT NULL DEFAULT 0, n2 INTEGER NOT NULL DEFAULT 0,
    n3 INTEGER NOT NULL DEFAULT 0, n4 INTEGER NOT NULL DEFAULT 0, n5 INTEGER NOT NULL DEFAULT 0,
    n6 INTEGER NOT NULL DEFAULT 0,
    callback_url TEXT NOT NULL DEFAULT ''
, owner TEXT NOT NULL DEFAULT '') STRICT;
INSERT INTO job_groups VALUES(7355683528761344,2433800742034824757,1795821174014827,1795821174025191,0,0,0,0,3,0,0,0,'','');
CREATE TABLE dependencies (
    parent INTEGER NOT NULL, -- jobs.key or job_groups.key
    child  INTEGER NOT NULL, -- jobs.key
    PRIMARY KEY (parent, child)
) STRICT, WITHOUT ROWID;
INSERT INTO dependencies VALUES(7355683528773632,7355683528810496);
CREATE TABLE uniques (
    hash     BLOB NOT NULL PRIMARY KEY, -- SHA-256 of the task and of what makes it the same
    key      INTEGER NOT NULL,          -- jobs.key
    tail     INTEGER NOT NULL,
    queued   INTEGER NOT NULL,          -- 1: only until it begins to run
    until_us INTEGER NOT NULL           -- > 0: until then, whatever the job's state
) STRICT, WITHOUT ROWID;
INSERT INTO uniques VALUES(X'569d572aecda652a69353f0e01b2e256588bab79715feec8e5a86a61b23b04a8',7355683528880128,4559051344253773599,0,0);
CREATE TABLE pools (
    name   TEXT NOT NULL PRIMARY KEY,
    paused INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE schedules (
    name        TEXT NOT NULL PRIMARY KEY,
    cron        TEXT NOT NULL,             -- as it was given: see server/cron.h
    time_zone   TEXT NOT NULL,             -- IANA name
    overlap     INTEGER NOT NULL,          -- while its last job has not ended: 0 skip, 1 queue, 2 replace
    catch_up    INTEGER NOT NULL,          -- 1: runs that were missed are made up for by one
    paused      INTEGER NOT NULL,
    created_us  INTEGER NOT NULL,
    next_us     INTEGER NOT NULL,          -- when it is due; 0 = never again
    last_us     INTEGER NOT NULL DEFAULT 0, -- the time for which its last job was made
    last_key    INTEGER NOT NULL DEFAULT 0, -- jobs.key of that
    last_tail   INTEGER NOT NULL DEFAULT 0,
    -- the job that is submitted
    task            TEXT NOT NULL,
    priority        INTEGER NOT NULL,
    max_attempts    INTEGER NOT NULL,
    timeout_us      INTEGER NOT NULL,
    tags            TEXT NOT NULL,
    backoff         TEXT NOT NULL,
    concurrency_key TEXT NOT NULL,
    callback_url    TEXT NOT NULL,
    input           BLOB NOT NULL
, owner TEXT NOT NULL DEFAULT '') STRICT, WITHOUT ROWID;
INSERT INTO schedules VALUES('kept','0 3 * * *','UTC',0,1,0,1795821174040000,1795834800000000,0,0,0,'noop',0,3,0,'','','','',X'6e756c6c','');
CREATE TABLE leases (
    key        INTEGER PRIMARY KEY, -- of the lease's id, as jobs.key
    tail       INTEGER NOT NULL,
    job_key    INTEGER NOT NULL,    -- jobs.key
    job_tail   INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,    -- the fence: the attempt that the lease is for
    task_id    INTEGER NOT NULL,
    started_us INTEGER NOT NULL,
    expires_us INTEGER NOT NULL,    -- without a word by then it is lost
    ends_us    INTEGER NOT NULL,    -- the attempt's timeout: it is not prolonged beyond; 0 = none
    duration_us INTEGER NOT NULL,   -- by which a heartbeat prolongs it
    worker     TEXT NOT NULL,       -- the name that the worker gave, for telling
    fraction   REAL,                -- progress; NULL: not told
    message    TEXT NOT NULL DEFAULT ''
) STRICT;
INSERT INTO leases VALUES(7355683528929281,1178479154232806991,7355683528908800,1724842847948162853,1,7,1795821174055540,1795821234055540,0,60000000,'',NULL,'');
CREATE TABLE deliveries (
    key          INTEGER PRIMARY KEY,        -- of the delivery's id, as jobs.key
    tail         INTEGER NOT NULL,
    subject_key  INTEGER NOT NULL,           -- jobs.key or job_groups.key
    subject_tail INTEGER NOT NULL,
    is_group     INTEGER NOT NULL,
    url          TEXT NOT NULL,
    state        INTEGER NOT NULL DEFAULT 0, -- 0 to be called, 1 delivered, 2 given up
    attempts     INTEGER NOT NULL DEFAULT 0,
    created_us   INTEGER NOT NULL,
    next_us      INTEGER NOT NULL,           -- when it is called (again)
    last_status  INTEGER NOT NULL DEFAULT 0, -- HTTP status of the last answer; 0 = none came
    last_error   TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE checkpoints (
    key  INTEGER PRIMARY KEY, -- jobs.key
    data TEXT NOT NULL        -- JSON of at most 65536 bytes
) STRICT;
CREATE INDEX jobs_running ON jobs (key) WHERE state = 2;
CREATE INDEX jobs_task ON jobs (task_id, key);
CREATE INDEX idempotency_expires ON idempotency (expires_us);
CREATE INDEX jobs_queued ON jobs (task_id, rank, key) WHERE state = 1 AND held = 0;
CREATE INDEX jobs_held ON jobs (concurrency_key, rank, key) WHERE held = 1;
CREATE INDEX jobs_scheduled ON jobs (run_at_us) WHERE state = 0 AND waits = 0;
CREATE INDEX jobs_group ON jobs (group_key, key) WHERE group_key > 0;
CREATE INDEX uniques_key ON uniques (key);
CREATE INDEX leases_expire ON leases (expires_us);
CREATE INDEX leases_job ON leases (job_key);
CREATE INDEX deliveries_due ON deliveries (next_us) WHERE state = 0;
CREATE INDEX deliveries_subject ON deliveries (subject_key);
CREATE INDEX jobs_ended ON jobs (state, key) WHERE state > 3;
CREATE INDEX jobs_expiring ON jobs (expires_us) WHERE expires_us > 0 AND state < 2;
COMMIT;
