package io.kvmanager;

/**
 * The attention of one decode step, recorded by {@link KvSequence#capture} and launched again for later tokens. It
 * reads lengths and tables from device memory when it runs, so it is never out of date; it ends with its sequence.
 */
public interface CapturedStep extends AutoCloseable {

    /**
     * Launches the step in place of the {@link KvSequence#attend} calls between {@code beginToken} and {@code commit}.
     *
     * @throws IllegalStateException if no token has been begun, or the sequence is closed
     */
    void replay();

    /** Frees the recording. A second close does nothing. */
    @Override
    void close();
}
