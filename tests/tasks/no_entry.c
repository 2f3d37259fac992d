/* no_entry.c - a shared object that is no task. */
int nothing_to_see_here(void);
int nothing_to_see_here(void)
{
    return 0;
}
