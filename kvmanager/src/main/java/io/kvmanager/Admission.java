package io.kvmanager;

/**
 * Whether a request may start. With no sequence open, whatever is not {@link Never} is {@link Admit}, so a caller that
 * waits for others to end waits for an end.
 */
public sealed interface Admission {

    /** It fits now and leaves the watermark free. */
    record Admit() implements Admission {}

    /**
     * It does not fit now, but would in an empty cache.
     *
     * @param deficit bytes that must become free first, per tier, the watermark included
     * @param sequences sequences that must be closed first, because of {@code maxSequences}
     */
    record Wait(TierBytes deficit, int sequences) implements Admission {}

    /**
     * It cannot fit, however long it waits.
     *
     * @param reason what it exceeds, with the setting to raise
     */
    record Never(String reason) implements Admission {}
}
