/*
 * mandelbrot.c - the task `mandelbrot`: a picture of the Mandelbrot set as PNG.
 *
 * Escape time with the smooth count n + 1 - log2(log|z|), and a cosine palette.
 */
#include "input.h"

#include <png.h>
#include <stdlib.h>

struct view {
    double width, height, max_iterations, center_x, center_y, scale;
};

/* Points of the main cardioid and the period-2 bulb never escape: they need no iteration. */
static bool in_bulb(double x, double y)
{
    double q = (x - 0.25) * (x - 0.25) + y * y;
    return q * (q + (x - 0.25)) <= 0.25 * y * y || (x + 1) * (x + 1) + y * y <= 0.0625;
}

/* The smooth escape count, or -1 for a point that does not escape. */
static double escape(double cx, double cy, int max)
{
    double x = 0, y = 0, x2 = 0, y2 = 0;
    if (in_bulb(cx, cy))
        return -1;
    for (int n = 0; n < max; n++) {
        y = 2 * x * y + cy;
        x = x2 - y2 + cx;
        x2 = x * x;
        y2 = y * y;
        if (x2 + y2 > 256)
            return n + 1 - log2(log2(x2 + y2) / 2);
    }
    return -1;
}

static void colour(double n, unsigned char *rgb)
{
    static const double phase[3] = {3.0, 3.5, 4.1};
    for (int i = 0; i < 3; i++)
        rgb[i] = n < 0 ? 0 : (unsigned char)(127.5 + 127.4 * cos(phase[i] + sqrt(n) * 0.55));
}

static void draw_row(const struct view *v, int row, unsigned char *pixels)
{
    double step = v->scale / v->width;
    double cy = v->center_y - (row - (v->height - 1) / 2) * step;
    for (int i = 0; i < (int)v->width; i++) {
        double cx = v->center_x + (i - (v->width - 1) / 2) * step;
        colour(escape(cx, cy, (int)v->max_iterations), pixels + 3 * i);
    }
}

static int encode(struct jobmill_call *call, const struct view *v, const unsigned char *pixels)
{
    png_image image = {.version = PNG_IMAGE_VERSION, .format = PNG_FORMAT_RGB};
    image.width = (png_uint_32)v->width;
    image.height = (png_uint_32)v->height;
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
    void *file = malloc(size);
    if (!file)
        return jobmill_fail(call, "out_of_memory", "no memory for the file", 0);
    int err;
    if (png_image_write_to_memory(&image, file, &size, 0, pixels, 0, NULL))
        err = jobmill_result(call, "image/png", file, size);
    else
        err = jobmill_fail(call, "task_error", image.message, 0);
    free(file);
    return err;
}

static int run(struct jobmill_call *call, void *state)
{
    (void)state;
    struct view v;
    const struct number_field fields[] = {
        {"width", &v.width, 800, 1, 8192, true},
        {"height", &v.height, 600, 1, 8192, true},
        {"max_iterations", &v.max_iterations, 500, 1, 1000000, true},
        {"center_x", &v.center_x, -0.65, -4, 4, false},
        {"center_y", &v.center_y, 0, -4, 4, false},
        {"scale", &v.scale, 3.2, 1e-13, 16, false},
    };
    if (input_numbers(call, fields, sizeof(fields) / sizeof(fields[0])))
        return 1;
    size_t row_bytes = (size_t)v.width * 3;
    unsigned char *pixels = malloc(row_bytes * (size_t)v.height);
    if (!pixels)
        return jobmill_fail(call, "out_of_memory", "no memory for the picture", 0);
    int err = 0;
    for (int row = 0; row < (int)v.height && !err; row++) {
        draw_row(&v, row, pixels + row_bytes * (size_t)row);
        jobmill_progress(call, (row + 1) / v.height, NULL);
        if (jobmill_cancelled(call))
            err = jobmill_fail(call, "cancelled", "told to give up", 0);
    }
    if (!err)
        err = encode(call, &v, pixels);
    free(pixels);
    return err;
}

JOBMILL_TASK(.description = "draws the Mandelbrot set as PNG", .run = run)
