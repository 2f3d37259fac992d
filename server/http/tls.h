/*
 * tls.h - certificate and key of the main listener, from their files, changed while it serves.
 */
#ifndef JOBMILL_HTTP_TLS_H
#define JOBMILL_HTTP_TLS_H

#include "../../common/buf.h"

#include <gnutls/abstract.h>
#include <stdbool.h>

/* At least version 1.2, and no cipher below 128 bits. */
#define TLS_PRIORITIES "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"

/* Reads both files (PEM; the certificate first, then those that vouch for it). 0; -ERR_CONFIG with *why:
 * missing, not readable, not what they should be, not belonging together, or a key that others may
 * read; -ERR_NOMEM. Main thread, like all but tls_retrieve. */
int tls_start(const char *cert_file, const char *key_file, struct buf *why);
/* Reads the same files again: connections that are made from now on get what is in them. An error
 * leaves what was. 0 also where tls_start was not called. */
int tls_reload(struct buf *why);
bool tls_is_on(void);
void tls_end(void); /* no connection is left */

/* The library asks at each handshake (gnutls_certificate_retrieve_function2). Any thread. */
int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *authorities, int authorities_count,
                 const gnutls_pk_algorithm_t *algorithms, int algorithms_count,
                 gnutls_pcert_st **certs, unsigned int *certs_count, gnutls_privkey_t *key);

#endif
