/*
 * check_lists.c - pages of jobs as a driver reads them: by filters, by time and by text. Single
 * thread; each test has a data directory of its own.
 */
#include "../common/clock.h"
#include "storekit.h"
#include "suite.h"

static size_t walk(struct job_filter f)
{
    size_t seen = 0;
    uint64_t last = UINT64_MAX;
    struct job_page p;
    bool more;
    do {
        ck_assert_int_eq(store_read_list(r, &f, 0, 0, &p), 0);
        for (size_t i = 0; i < p.count; i++) {
            ck_assert_uint_lt(id_key(&p.jobs[i].id), last);
            last = id_key(&p.jobs[i].id);
        }
        seen += p.count;
        f.has_before = true;
        f.before = p.last;
        more = p.more;
        job_page_release(&p);
    } while (more);
    return seen;
}

START_TEST(lists_by_time_and_text)
{
    struct job j;
    int64_t at[5];
    for (int i = 0; i < 5; i++) {
        make(&j, i == 4 ? beta : alpha, JOB_QUEUED, 0);
        id_make(&j.id, (uint64_t)(1000 + 10 * i) << 12, 7);
        at[i] = (1000 + 10 * i) * US_PER_MS;
        buf_clear(&j.input);
        buf_addf(&j.input, "{\"who\":\"Number %d of many\"}", i);
        j.input_size = j.input.len;
        if (i == 1)
            buf_adds(&j.tags, "[\"Red\"]");
        store_begin(s);
        ck_assert_int_eq(insert(&j, NULL), 0);
        ck_assert_int_eq(store_commit(s), 0);
        job_release(&j);
    }
    static const struct {
        const char *text;
        size_t seen;
    } texts[] = {{"number", 5}, {"NUMBER 3", 1}, {"beta", 1}, {"red", 1}, {"reddish", 0}};
    for (unsigned limit = 1; limit < 8; limit += 3) {
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
            ck_assert_uint_eq(
                walk((struct job_filter){.state = -1, .text = texts[i].text, .limit = limit}),
                texts[i].seen);
        ck_assert_uint_eq(walk((struct job_filter){.state = -1, .from_us = at[1], .limit = limit}),
                          4);
        ck_assert_uint_eq(
            walk((struct job_filter){.state = -1, .from_us = at[1] + 1, .limit = limit}), 3);
        ck_assert_uint_eq(walk((struct job_filter){.state = -1, .until_us = at[1], .limit = limit}),
                          1);
        ck_assert_uint_eq(walk((struct job_filter){.state = JOB_QUEUED,
                                                   .task = "alpha",
                                                   .from_us = at[1],
                                                   .until_us = at[3],
                                                   .limit = limit}),
                          2);
        ck_assert_uint_eq(walk((struct job_filter){.state = -1,
                                                   .from_us = at[1],
                                                   .until_us = at[4],
                                                   .text = "OF many",
                                                   .limit = limit}),
                          3);
    }
    struct job_page p; /* what was read for the search is not told */
    ck_assert_int_eq(
        store_read_list(r, &(struct job_filter){.state = -1, .text = "number", .limit = 9}, 0, 0,
                        &p),
        0);
    ck_assert_uint_eq(p.count, 5);
    ck_assert_uint_eq(p.jobs[0].input.len, 0);
    ck_assert_uint_gt(p.jobs[0].input_size, 0);
    job_page_release(&p);
}
END_TEST

START_TEST(lists_see_each_once)
{
    enum job_state state;
    for (int i = 0; i < 30; i++) {
        struct job j;
        make(&j, i % 3 ? alpha : beta, i % 2 ? JOB_QUEUED : JOB_RUNNING, i % 5);
        if (i % 6 == 0)
            buf_adds(&j.tags, "[\"red\",\"blue\",\"red\"]");
        store_begin(s);
        ck_assert_int_eq(insert(&j, NULL), 0);
        ck_assert_int_eq(store_commit(s), 0);
        if (i % 10 == 0) {
            struct job c;
            job_init(&c);
            ck_assert_int_eq(end(&j.id, 1, ATTEMPT_CANCELLED, false, &state), 0);
            job_release(&c);
        }
        job_release(&j);
    }
    for (unsigned limit = 1; limit < 40; limit += 6) {
        ck_assert_uint_eq(walk((struct job_filter){.state = -1, .limit = limit}), 30);
        ck_assert_uint_eq(walk((struct job_filter){.state = JOB_QUEUED, .limit = limit}), 15);
        ck_assert_uint_eq(walk((struct job_filter){.state = JOB_RUNNING, .limit = limit}), 12);
        ck_assert_uint_eq(walk((struct job_filter){.state = JOB_CANCELLED, .limit = limit}), 3);
        ck_assert_uint_eq(walk((struct job_filter){.state = -1, .task = "beta", .limit = limit}),
                          10);
        ck_assert_uint_eq(walk((struct job_filter){.state = -1, .tag = "red", .limit = limit}), 5);
        ck_assert_uint_eq(walk((struct job_filter){.state = -1, .task = "no", .limit = limit}), 0);
    }
    recount();
}
END_TEST

int main(void)
{
    return SUITE("lists", kit_setup, kit_teardown, lists_by_time_and_text, lists_see_each_once);
}
