package io.kvmanager.serving;

/** Who is preempted first when those that run need more memory than there is. */
public enum PreemptionOrder {
    /** Who arrived last: the oldest are never disturbed. */
    NEWEST,
    /** Who has the lowest priority; of those, who arrived last. */
    LOWEST_PRIORITY,
    /** Whose return is cheapest, moved or computed again; of those, who arrived last. */
    LEAST_WORK_LOST
}
