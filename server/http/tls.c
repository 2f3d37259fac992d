/*
 * tls.c - certificate and key of the main listener. The main thread reads and replaces them, HTTP
 * threads hand the current pair to the TLS library.
 *
 * A handshake borrows the pair until it is over, and nothing tells when that is. So a pair that was
 * replaced is kept until the end; files with the same bytes as before replace nothing.
 */
#include "tls.h"

#include "../../common/clock.h"
#include "../../common/err.h"
#include "../../common/fdio.h"
#include "../../common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX  (1 << 20)
#define CHAIN_MAX 16

struct pair {
    gnutls_pcert_st cert[CHAIN_MAX]; /* first: the service's own */
    unsigned certs;
    gnutls_privkey_t key;
    struct buf cert_text, key_text; /* as they were read, to compare */
    struct pair *older;
};

static struct {
    char *cert_file, *key_file;
    _Atomic(struct pair *) now;
} t;

/* ---- the files ---- */

static int bad(struct buf *why, const char *setting, const char *file, const char *text)
{
    buf_addf(why, "%s = %s: %s", setting, file, text);
    return -ERR_CONFIG;
}

static int read_open(int fd, struct buf *out)
{
    char piece[4096];
    ssize_t n;
    while ((n = read(fd, piece, sizeof(piece))) > 0 && out->len <= FILE_MAX)
        buf_add(out, piece, (size_t)n);
    explicit_bzero(piece, sizeof(piece));
    return n < 0 ? -ERR_SYSTEM : out->failed ? -ERR_NOMEM : 0;
}

static int read_file(const char *setting, const char *file, bool secret, struct buf *out,
                     struct buf *why)
{
    struct stat st;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0) {
        int err = bad(why, setting, file, strerror(errno));
        fd_close(&fd);
        return err;
    }
    int err = 0;
    if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
        err = bad(why, setting, file, "not a file of at most 1 MiB");
    else if (secret && (st.st_mode & (S_IRWXO | S_IWGRP)) != 0)
        err = bad(why, setting, file,
                  "others may read or change this key: chmod 600, or 640 with a group of its own");
    else
        err = read_open(fd, out);
    if (err == -ERR_SYSTEM)
        err = bad(why, setting, file, strerror(errno));
    fd_close(&fd);
    return err;
}

/* ---- pairs ---- */

static void pair_free(struct pair *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < p->certs; i++)
        gnutls_pcert_deinit(&p->cert[i]);
    if (p->key)
        gnutls_privkey_deinit(p->key);
    if (p->key_text.data)
        explicit_bzero(p->key_text.data, p->key_text.len);
    buf_release(&p->cert_text);
    buf_release(&p->key_text);
    free(p);
}

static gnutls_datum_t datum(const struct buf *b)
{
    return (gnutls_datum_t){.data = (unsigned char *)b->data, .size = (unsigned)b->len};
}

/* Do they belong together? The library says so only of credentials. */
static int check_match(const gnutls_datum_t *cert, const gnutls_datum_t *key)
{
    gnutls_certificate_credentials_t c;
    int rc = gnutls_certificate_allocate_credentials(&c);
    if (rc < 0)
        return rc;
    rc = gnutls_certificate_set_x509_key_mem(c, cert, key, GNUTLS_X509_FMT_PEM);
    gnutls_certificate_free_credentials(c);
    return rc;
}

static int parse(struct pair *p, struct buf *why)
{
    gnutls_datum_t cert = datum(&p->cert_text), key = datum(&p->key_text);
    unsigned n = CHAIN_MAX;
    int rc = gnutls_pcert_list_import_x509_raw(p->cert, &n, &cert, GNUTLS_X509_FMT_PEM, 0);
    if (rc < 0)
        return bad(why, "tls_cert", t.cert_file, gnutls_strerror(rc));
    p->certs = n;
    rc = gnutls_privkey_init(&p->key);
    if (rc >= 0)
        rc = gnutls_privkey_import_x509_raw(p->key, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (rc < 0)
        return bad(why, "tls_key", t.key_file, gnutls_strerror(rc));
    rc = check_match(&cert, &key);
    if (rc == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
        return bad(why, "tls_key", t.key_file, "not the key of the certificate in tls_cert");
    return rc < 0 ? bad(why, "tls_cert", t.cert_file, gnutls_strerror(rc)) : 0;
}

static void say_time(time_t at, const char *what)
{
    char text[CLOCK_TEXT];
    clock_format((int64_t)at * US_PER_S, text);
    log_warn("tls_cert = %s: %s %s, clients will refuse it", t.cert_file, what, text);
}

/* It is served even so: a clock may be wrong, and clients decide whom they trust. */
static void tell_validity(const struct pair *p)
{
    gnutls_x509_crt_t crt;
    if (gnutls_x509_crt_init(&crt) < 0)
        return;
    if (gnutls_x509_crt_import(crt, &p->cert[0].cert, GNUTLS_X509_FMT_DER) >= 0) {
        time_t now = (time_t)(clock_wall_us() / US_PER_S);
        time_t from = gnutls_x509_crt_get_activation_time(crt);
        time_t to = gnutls_x509_crt_get_expiration_time(crt);
        if (from != (time_t)-1 && now < from)
            say_time(from, "the certificate is not valid before");
        if (to != (time_t)-1 && now > to)
            say_time(to, "the certificate has expired at");
    }
    gnutls_x509_crt_deinit(crt);
}

static bool same(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static int load(struct buf *why)
{
    struct pair *old = atomic_load(&t.now);
    struct pair *p = calloc(1, sizeof(*p));
    if (!p)
        return -ERR_NOMEM;
    int err = read_file("tls_cert", t.cert_file, false, &p->cert_text, why);
    if (!err)
        err = read_file("tls_key", t.key_file, true, &p->key_text, why);
    if (!err && (p->cert_text.len == 0 || p->key_text.len == 0))
        err = p->cert_text.len == 0 ? bad(why, "tls_cert", t.cert_file, "the file is empty")
                                    : bad(why, "tls_key", t.key_file, "the file is empty");
    bool unchanged =
        !err && old && same(&old->cert_text, &p->cert_text) && same(&old->key_text, &p->key_text);
    if (!err && !unchanged)
        err = parse(p, why);
    if (err || unchanged) {
        pair_free(p);
        return err;
    }
    tell_validity(p);
    p->older = old;
    atomic_store(&t.now, p);
    return 0;
}

/* ---- life ---- */

int tls_start(const char *cert_file, const char *key_file, struct buf *why)
{
    t.cert_file = strdup(cert_file);
    t.key_file = strdup(key_file);
    int err = t.cert_file && t.key_file ? load(why) : -ERR_NOMEM;
    if (err)
        tls_end();
    return err;
}

int tls_reload(struct buf *why)
{
    return tls_is_on() ? load(why) : 0;
}

bool tls_is_on(void)
{
    return atomic_load(&t.now) != NULL;
}

void tls_end(void)
{
    struct pair *p = atomic_exchange(&t.now, NULL);
    while (p) {
        struct pair *older = p->older;
        pair_free(p);
        p = older;
    }
    free(t.cert_file);
    free(t.key_file);
    t.cert_file = t.key_file = NULL;
}

int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *authorities, int authorities_count,
                 const gnutls_pk_algorithm_t *algorithms, int algorithms_count,
                 gnutls_pcert_st **certs, unsigned int *certs_count, gnutls_privkey_t *key)
{
    (void)session, (void)authorities, (void)authorities_count;
    (void)algorithms, (void)algorithms_count;
    struct pair *p = atomic_load(&t.now);
    if (!p)
        return -1;
    *certs = p->cert;
    *certs_count = p->certs;
    *key = p->key;
    return 0;
}
