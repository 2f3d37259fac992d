/*
 * fuzz_msg.c - libFuzzer: any bytes as a message between processes. What unpacks must pack to the same
 * bytes again, and no field may point outside the message.
 */
#include "../../common/msg.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static char again[MSG_MAX];
    if (len > MSG_MAX)
        return 0;
    char *text = malloc(len ? len : 1);
    if (!text)
        return 0;
    if (len)
        memcpy(text, data, len);
    struct msg m = {.fd = -1};
    if (msg_unpack(&m, text, len) == 0) {
        int n = msg_pack(&m, again);
        if (n < 0 || (size_t)n != len || memcmp(again, text, len) != 0)
            abort();
    }
    free(text);
    return 0;
}
