/*
 * delivery.h - one call of a callback_url, to be made or made.
 */
#ifndef JOBMILL_SERVER_DELIVERY_H
#define JOBMILL_SERVER_DELIVERY_H

#include "../common/clock.h"
#include "../common/job.h"

#define DELIVERY_ERROR_MAX 200
#define DELIVERIES_TOLD    20 /* of one job or group */
#define DELIVERY_AGAIN_US  (120 * US_PER_S) /* one that nothing was heard of is due again */

enum delivery_state { DELIVERY_WAITING, DELIVERY_DELIVERED, DELIVERY_GIVEN_UP };

struct delivery {
    struct id id, subject; /* subject: the job or group */
    bool is_group;
    int ended; /* the job's state by its end, of which this tells; -1: not known, or a group */
    char url[JOB_URL_MAX + 1];
    enum delivery_state state;
    uint32_t attempts;
    int64_t created_us, next_us; /* wall */
    int last_status;
    char last_error[DELIVERY_ERROR_MAX + 1];
};

#endif
