/*
 * e2e_tls.c - the listener with a certificate: who trusts it is served, who speaks plain HTTP gets
 * nothing done, another certificate is taken while the service runs, and wrong files are refused.
 */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char home[256];

static void make_home(void)
{
    own_directory("tls", home, sizeof(home));
}

static const char *in_home(const char *name)
{
    static char path[4][300];
    static unsigned at;
    at = (at + 1) % 4;
    snprintf(path[at], sizeof(path[at]), "%s/%s", home, name);
    return path[at];
}

/* NAME.crt and NAME.key, for 127.0.0.1, which vouch for themselves. */
static void make_pair(const char *name)
{
    char command[2048];
    snprintf(command, sizeof(command),
             "cd '%s' && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
             "-keyout %s.key -out %s.crt -days 2 -subj /CN=%s -addext "
             "subjectAltName=IP:127.0.0.1 2>openssl.err && chmod 600 %s.key",
             home, name, name, name, name);
    ck_assert_int_eq(system(command), 0);
}

static void use_pair(const char *name)
{
    char command[2048];
    snprintf(command, sizeof(command), "cd '%s' && cp %s.crt now.crt && cp -p %s.key now.key", home,
             name, name);
    ck_assert_int_eq(system(command), 0);
}

/* curl's status; its answer goes to out. */
static int curl(struct server *s, const char *trusted, const char *more, const char *path,
                char *out, size_t size)
{
    char command[2048];
    snprintf(command, sizeof(command),
             "curl -sS --noproxy '*' --max-time 60 --cacert '%s' %s 'https://127.0.0.1:%d%s' 2>&1",
             in_home(trusted), more, s->port, path);
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(out, 1, size - 1, f);
    out[n] = 0;
    int status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static struct server *serve_tls(const char *first)
{
    make_home();
    make_pair("one");
    make_pair("two");
    use_pair(first);
    const char *flags[] = {"--tls-cert", in_home("now.crt"), "--tls-key", in_home("now.key"), NULL};
    return server_new(NULL, flags);
}

START_TEST(who_trusts_the_certificate_is_served)
{
    char out[4096];
    struct server *s = serve_tls("one");
    ck_assert_int_eq(curl(s, "one.crt", "-d '{\"task\":\"primes\",\"input\":{\"limit\":1000}}'",
                          "/v1/jobs?wait=60", out, sizeof(out)),
                     0);
    ck_assert_msg(strstr(out, "\"count\":168") != NULL, "%s", out);
    ck_assert_int_eq(curl(s, "two.crt", "", "/healthz", out, sizeof(out)), 60);
    ck_assert_int_eq(curl(s, "one.crt", "--tlsv1.3", "/healthz", out, sizeof(out)), 0);
    ck_assert_int_eq(curl(s, "one.crt", "--tlsv1.2 --tls-max 1.2", "/healthz", out, sizeof(out)),
                     0);
    ck_assert_int_eq(curl(s, "one.crt", "--tlsv1.0 --tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0",
                          "/healthz", out, sizeof(out)),
                     35);
    /* a long poll that ends by its time, and one whose client leaves */
    ck_assert_int_eq(curl(s, "one.crt", "-d '{\"task\":\"noop\",\"delay\":3600}'",
                          "/v1/jobs?wait=0.05", out, sizeof(out)),
                     0);
    ck_assert_ptr_nonnull(strstr(out, "\"scheduled\""));
    ck_assert_int_eq(curl(s, "one.crt", "--max-time 0.5 -d '{\"task\":\"noop\",\"delay\":3600}'",
                          "/v1/jobs?wait=60", out, sizeof(out)),
                     28);
    server_free(s);
}
END_TEST

START_TEST(plain_http_gets_nothing_done)
{
    char out[4096];
    struct server *s = serve_tls("one");
    int fd = raw_open(s);
    raw_send(fd, "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 15\r\n\r\n"
                 "{\"task\":\"noop\"}");
    char *said = raw_read(fd, NULL, LONG_MS);
    ck_assert_msg(strstr(said, "HTTP/1.1") == NULL, "%s", said);
    free(said);
    ck_assert(raw_is_closed(fd, LONG_MS));
    close(fd);
    ck_assert_int_eq(curl(s, "one.crt", "", "/v1/jobs", out, sizeof(out)), 0);
    ck_assert_msg(strstr(out, "\"jobs\":[]") != NULL, "%s", out);
    server_free(s);
}
END_TEST

START_TEST(another_certificate_is_taken_while_it_serves)
{
    char out[4096], *log = NULL;
    struct server *s = serve_tls("one");
    ck_assert_int_eq(curl(s, "one.crt", "", "/healthz", out, sizeof(out)), 0);
    use_pair("two");
    server_signal(s, SIGHUP);
    eventually(curl(s, "two.crt", "", "/healthz", out, sizeof(out)) == 0, LONG_MS);
    ck_assert_int_eq(curl(s, "one.crt", "", "/healthz", out, sizeof(out)), 60);
    /* halves of two pairs change nothing */
    s->errors_ok = true;
    ck_assert_int_eq(rename(in_home("one.key"), in_home("now.key")), 0);
    server_signal(s, SIGHUP);
    eventually((free(log), log = server_log(s), strstr(log, "not the key of") != NULL), LONG_MS);
    free(log);
    ck_assert_int_eq(curl(s, "two.crt", "", "/healthz", out, sizeof(out)), 0);
    server_free(s);
}
END_TEST

static void refused(const char *cert, const char *key, const char *why)
{
    char out[4096], data[300];
    snprintf(data, sizeof(data), "%s", in_home("data"));
    const char *args[] = {"serve",      "--listen", "127.0.0.1:0", "--data-dir", data,
                          "--tls-cert", cert,       "--tls-key",   key,          NULL};
    int status = run_binary(args, out, sizeof(out));
    ck_assert_msg(status == 78 && strstr(out, why), "%d, `%s` is not in: %s", status, why, out);
    args[0] = "check-config";
    ck_assert_int_eq(run_binary(args, out, sizeof(out)), 78);
    ck_assert_msg(strstr(out, why) != NULL, "`%s` is not in: %s", why, out);
}

START_TEST(wrong_files_are_refused_at_start)
{
    make_home();
    make_pair("one");
    make_pair("two");
    char cert[300], key[300];
    snprintf(cert, sizeof(cert), "%s", in_home("one.crt"));
    snprintf(key, sizeof(key), "%s", in_home("one.key"));
    refused(in_home("none"), key, "No such file");
    refused(cert, in_home("none"), "No such file");
    refused(cert, home, "not a file");
    refused(cert, in_home("two.key"), "not the key of the certificate");
    refused(cert, cert, "tls_key = ");
    refused(key, key, "tls_cert = ");
    refused(cert, "", "tls_cert is set without tls_key");
    refused("", key, "tls_key is set without tls_cert");
    ck_assert_int_eq(chmod(key, 0644), 0);
    refused(cert, key, "others may read");
    ck_assert_int_eq(truncate(cert, 0), 0);
    ck_assert_int_eq(chmod(key, 0640),
                     0); /* of a group is legal: the empty file is what is wrong */
    refused(cert, key, "the file is empty");
}
END_TEST

/* NAME.crt for NAME.key, of that time. */
static void make_dated(const char *name, const char *from, const char *to)
{
    char command[2048];
    snprintf(command, sizeof(command),
             "cd '%s' && { openssl req -new -key %s.key -subj /CN=%s -out csr && : >db && echo 01 "
             ">serial && printf '[ca]\\ndefault_ca=a\\n[a]\\ndatabase=db\\nserial=serial\\n"
             "new_certs_dir=.\\ndefault_md=sha256\\npolicy=p\\n[p]\\ncommonName=supplied\\n' >conf "
             "&& openssl ca -batch -config conf -selfsign -keyfile %s.key -in csr -startdate %s "
             "-enddate %s -out %s.crt -notext; } >openssl.err 2>&1",
             home, name, name, name, from, to, name);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(one_that_is_not_valid_is_told_and_served)
{
    char out[16384], cert[300], key[300];
    make_home();
    make_pair("one");
    snprintf(cert, sizeof(cert), "%s", in_home("one.crt"));
    snprintf(key, sizeof(key), "%s", in_home("one.key"));
    const char *args[] = {"check-config", "--tls-cert", cert, "--tls-key", key, NULL};
    ck_assert_int_eq(run_binary(args, out, sizeof(out)), 0);
    ck_assert_ptr_null(strstr(out, "refuse"));
    make_dated("one", "21000101000000Z", "21000102000000Z");
    ck_assert_int_eq(run_binary(args, out, sizeof(out)), 0);
    ck_assert_ptr_nonnull(strstr(out, "not valid before 2100-01-01T00:00:00"));
    make_dated("one", "20200101000000Z", "20200102000000Z");
    ck_assert_int_eq(run_binary(args, out, sizeof(out)), 0);
    ck_assert_ptr_nonnull(strstr(out, "has expired at 2020-01-02T00:00:00"));
    struct server *s =
        server_new(NULL, (const char *const[]){"--tls-cert", cert, "--tls-key", key, NULL});
    eventually(log_has(s, "has expired at 2020-01-02T00:00:00"), LONG_MS);
    ck_assert_int_eq(curl(s, "one.crt", "--insecure", "/healthz", out, sizeof(out)), 0);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        who_trusts_the_certificate_is_served,         plain_http_gets_nothing_done,
        another_certificate_is_taken_while_it_serves, wrong_files_are_refused_at_start,
        one_that_is_not_valid_is_told_and_served,
    };
    return run_suite("tls", tests, sizeof(tests) / sizeof(tests[0]));
}
