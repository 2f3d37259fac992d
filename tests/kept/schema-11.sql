-- What a service with schema 11 left when it was killed.
PRAGMA application_id = 1246587244;
PRAGMA auto_vacuum = 2;
PRAGMA user_version = 11;
BEGIN TRANSACTION;
CREATE TABLE migrations ( version INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 BLOB NOT NULL, applied_at INTEGER NOT NULL) STRICT;
INSERT INTO migrations VALUES(1,'0001_jobs.sql',X'c4094f56f711b0ee536752f9281fd079b2163f5faa88f98517331ecd1f7e8c48',1795817790773264);
INSERT INTO migrations VALUES(2,'0002_lifecycle.sql',X'04ee5d7169b965e3333ced1cc552de6d4771aeefaf3ca40b041a939f539134c0',1795817790775604);
INSERT INTO migrations VALUES(3,'0003_schedules.sql',X'59f9217634487e2782285b4a6227941aa04a2884b26809cdbcc867c5b1379763',1795817790776399);
INSERT INTO migrations VALUES(4,'0004_leases.sql',X'bcf6eab0bdd72eb3984c39b15cc2d14b75ca38402dfa983654ec93e6d627e9a6',1795817790776897);
INSERT INTO migrations VALUES(6,'0006_trace.sql',X'49a693af53c44597aea291da84745956cd33df10d571864c1048fb488a4e2175',1795817790777410);
INSERT INTO migrations VALUES(7,'0007_owner.sql',X'5b5b60c57f87fa899accb019e396680e241c7f4d690ba8ad5d20367227b80643',1795817790778302);
INSERT INTO migrations VALUES(8,'0008_deliveries.sql',X'c6f95f4429cbbb155fd162a09d7d376e836a4ec73633a80913bfa56fa56cc008',1795817790778700);
INSERT INTO migrations VALUES(9,'0009_params.sql',X'3396cde6d4ef3c71d37e5a676be79791bb7649f92333e3a5e293f42ebac476ee',1795817790779397);
INSERT INTO migrations VALUES(10,'0010_checkpoints.sql',X'dcee4b8a82851c2a6a6294ddb5f4a96ec97f49a09d2a03abdf5ec912fba450e1',1795817790779968);
INSERT INTO migrations VALUES(11,'0011_plain_conditions.sql',X'c9cfe67927bda3f5e516610f3de7d6cfc3b282ac056613f4fd26cc051477c255',1795817790780578);
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
, rank       INTEGER NOT NULL DEFAULT 0, held       INTEGER NOT NULL DEFAULT 0, waits      INTEGER NOT NULL DEFAULT 0, worker     INTEGER NOT NULL DEFAULT 0, expires_us INTEGER NOT NULL DEFAULT 0, group_key  INTEGER NOT NULL DEFAULT 0, group_tail INTEGER NOT NULL DEFAULT 0, run_anyway INTEGER NOT NULL DEFAULT 0, gathers    INTEGER NOT NULL DEFAULT 0, backoff    TEXT NOT NULL DEFAULT '', concurrency_key TEXT NOT NULL DEFAULT '', depends_on TEXT NOT NULL DEFAULT '', callback_url TEXT NOT NULL DEFAULT '', traceparent TEXT, owner TEXT NOT NULL DEFAULT '', params TEXT) STRICT;
INSERT INTO jobs VALUES(7355669671063552,4408535482745014506,3,1,0,1,3,1795817790787000,1795817790787000,1795817790787989,1795817790787999,0,0,'','','','',0,-1,'["kept","done"]',4,4,X'6e756c6c',X'6e756c6c',1795817790787000,0,0,24714,0,0,0,0,0,'','','','',NULL,'',NULL);
INSERT INTO jobs VALUES(7355669671071744,3519648111332319256,3,2,0,1,3,1795817790789000,1795817790789000,1795817790789885,1795817790789895,0,0,'','','','',0,-1,'["kept"]',3012,3012,NULL,NULL,1795817790789000,0,0,24714,0,0,0,0,0,'','','','',NULL,'',NULL);
INSERT INTO jobs VALUES(7355669671075840,2946021698859064042,3,2,0,1,3,1795817790790000,1795817790790000,1795817790790875,1795817790790878,0,0,'','','','',0,-1,'',23,23,X'5b312c20322c207b2261223a20225c7530306663227d5d',X'5b312c20322c207b2261223a20225c7530306663227d5d',1795817790790000,0,0,24714,0,0,0,0,0,'','','','',NULL,'',NULL);
INSERT INTO jobs VALUES(7355669671079936,2031566624505305194,5,1,0,0,3,1795817790791000,1795904190791000,0,1795817790792368,0,1,'','','cancelled','the job was cancelled before it ran',0,-1,'',4,NULL,X'6e756c6c',X'00000000000000000000000000000000000000000000000000',1795817790791000,0,0,0,0,0,0,0,0,'','','','',NULL,'',NULL);
INSERT INTO jobs VALUES(7355669671092224,963145536313929911,0,1,7,0,3,1795817790794000,1795904190794000,0,0,0,0,'','','','',0,-1,'["later"]',4,NULL,X'6e756c6c',X'00000000000000000000000000000000000000000000000000',1795817370794000,0,0,0,0,0,0,0,0,'','','','',NULL,'',NULL);
INSERT INTO jobs VALUES(7355669671096321,4142159101128809580,3,2,0,1,3,1795817790795000,1795817790795000,1795817790795891,1795817790795896,0,0,'','','','',0,-1,'',1,1,X'30',X'30',1795817790795000,0,0,24714,0,7355669671096320,830598809518317360,0,0,'','','','',NULL,'',NULL);
INSERT INTO jobs VALUES(7355669671096322,2760118892197245313,3,2,0,1,3,1795817790795000,1795817790795000,1795817790795922,1795817790795935,0,0,'','','','',0,-1,'',1,1,X'31',X'31',1795817790795000,0,0,24715,0,7355669671096320,830598809518317360,0,0,'','','','',NULL,'',NULL);
INSERT INTO jobs VALUES(7355669671096323,3473139312569637114,3,2,0,1,3,1795817790795000,1795817790795000,1795817790797371,1795817790797374,0,0,'','','','',0,-1,'',1,1,X'32',X'32',1795817790795000,0,0,24714,0,7355669671096320,830598809518317360,0,0,'','','','',NULL,'',NULL);
INSERT INTO jobs VALUES(7355669671108608,3347258568938387619,2,3,0,1,2,1795817790798000,1795817790798000,1795817790798361,0,0,0,'','','','',0,-1,'["ran"]',16,NULL,X'7b227365636f6e6473223a203630307d',X'00000000000000000000000000',1795817790798000,0,0,0,0,0,0,0,0,'','','','',NULL,'',NULL);
INSERT INTO jobs VALUES(7355669671112704,1983480140805799269,0,1,0,0,3,1795817790799000,1795817790799000,0,0,0,0,'','','','',0,-1,'["child"]',4,NULL,X'6e756c6c',X'00000000000000000000000000000000000000000000000000',1795817790799000,0,1,0,0,0,0,0,1,'','','["01a21f14-dd4e-7000-ae73-d9ef14f478a3"]','',NULL,'',NULL);
INSERT INTO jobs VALUES(7355669671120896,1107674902027615591,3,1,0,1,3,1795817790801000,1795817790801000,1795817790801968,1795817790801976,0,0,'','','','',0,-1,'["after-group"]',4,4,X'6e756c6c',X'6e756c6c',1795817790801000,0,0,24715,0,0,0,0,1,'','','["01a21f14-dd4b-7000-8b86-e13770339f30"]','',NULL,'',NULL);
INSERT INTO jobs VALUES(7355669671145472,558932515474697926,0,2,0,0,3,1795817790807000,1795904190807000,0,0,0,0,'','','','',0,-1,'',8,NULL,X'7b2275223a20317d',X'000000000000000000000000000000000000000000000000000000000000000000000000',1795817790807000,0,0,0,0,0,0,0,0,'','','','',NULL,'',NULL);
INSERT INTO jobs VALUES(7355669671149568,4384155733295143785,2,7,0,1,3,1795817790808000,1795817790808000,1795817790809348,0,0,0,'','','','',0,-1,'["far"]',4,NULL,X'6e756c6c',X'00000000000000000000000000',1795817790808000,0,0,0,0,0,0,0,0,'','','','',NULL,'',NULL);
CREATE TABLE blobs (
    blob_id INTEGER PRIMARY KEY, -- jobs.key * 4 + kind: 0 input, 1 result
    data    BLOB NOT NULL
) STRICT;
INSERT INTO blobs VALUES(29422678684286976,X'7b2274657874223a20226b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b227d');
INSERT INTO blobs VALUES(29422678684286977,X'7b2274657874223a20226b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b227d');
CREATE TABLE job_tags (
    tag TEXT NOT NULL,
    key INTEGER NOT NULL, -- jobs.key
    PRIMARY KEY (tag, key)
) STRICT, WITHOUT ROWID;
INSERT INTO job_tags VALUES('after-group',7355669671120896);
INSERT INTO job_tags VALUES('child',7355669671112704);
INSERT INTO job_tags VALUES('done',7355669671063552);
INSERT INTO job_tags VALUES('far',7355669671149568);
INSERT INTO job_tags VALUES('kept',7355669671063552);
INSERT INTO job_tags VALUES('kept',7355669671071744);
INSERT INTO job_tags VALUES('later',7355669671092224);
INSERT INTO job_tags VALUES('ran',7355669671108608);
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
INSERT INTO idempotency VALUES('kept-key',X'17acd7d74d8f09b0411eab91427367bd9518c8b7edd31b33841742a66fe829e0',7355669671071744,3519648111332319256,1795904190789000,0);
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
INSERT INTO job_groups VALUES(7355669671096320,830598809518317360,1795817790795146,1795817790797482,0,0,0,0,3,0,0,0,'','');
CREATE TABLE dependencies (
    parent INTEGER NOT NULL, -- jobs.key or job_groups.key
    child  INTEGER NOT NULL, -- jobs.key
    PRIMARY KEY (parent, child)
) STRICT, WITHOUT ROWID;
INSERT INTO dependencies VALUES(7355669671108608,7355669671112704);
CREATE TABLE uniques (
    hash     BLOB NOT NULL PRIMARY KEY, -- SHA-256 of the task and of what makes it the same
    key      INTEGER NOT NULL,          -- jobs.key
    tail     INTEGER NOT NULL,
    queued   INTEGER NOT NULL,          -- 1: only until it begins to run
    until_us INTEGER NOT NULL           -- > 0: until then, whatever the job's state
) STRICT, WITHOUT ROWID;
INSERT INTO uniques VALUES(X'569d572aecda652a69353f0e01b2e256588bab79715feec8e5a86a61b23b04a8',7355669671145472,558932515474697926,0,0);
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
INSERT INTO schedules VALUES('kept','0 3 * * *','UTC',0,1,0,1795817790805000,1795834800000000,0,0,0,'noop',0,3,0,'','','','',X'6e756c6c','');
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
INSERT INTO leases VALUES(7355669671153665,403977430274750987,7355669671149568,4384155733295143785,1,7,1795817790809348,1795817850809348,0,60000000,'',NULL,'');
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
