/*
 * confkit.h - a configuration file in a directory of its own, and short words for what tests do
 * with it. Single thread; the ck_ ones end the test when it is not so.
 */
#ifndef JOBMILL_TESTS_CONFKIT_H
#define JOBMILL_TESTS_CONFKIT_H

#include "../server/conf.h"

extern struct conf c;  /* as it was loaded last */
extern struct buf why; /* why it was not */
extern char dir[], file[];

void kit_setup(void);
void kit_teardown(void);

#define FLAGS(...) ((char *[]){__VA_ARGS__, NULL})
#define W(text)    ((char *)(uintptr_t)(text))

void write_file(const char *text, size_t len);
int load(char *const flags[]);   /* conf_load's */
int load_text(const char *text); /* the same, of a file with this text */
void ck_loads(const char *text);
void ck_says(int err, const char *words); /* an error, of which these words are told */
const struct taskdef *task(const char *name);

#endif
