package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import java.lang.foreign.MemorySegment;

/**
 * The order in which a sequence is used: begin, every layer once and in order, commit. Misuse throws. What fails
 * between {@link #working} and the end of its part, because the device failed, leaves a sequence that can only be
 * closed.
 */
final class StepProtocol {
    private static final int NO_STEP = 0;

    private int tokens = NO_STEP;
    private boolean prompt;
    private int nextLayer;
    private boolean working;
    private boolean suspended;
    private boolean closed;

    void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the sequence is closed");
        }
    }

    /** Refuses a sequence that a failure left half way. */
    private void requireIntact() {
        requireOpen();
        if (working) {
            throw new IllegalStateException("a step of the sequence failed; it can only be closed");
        }
    }

    /** A change begins; if it does not get to its end, the sequence is broken. */
    void working() {
        working = true;
    }

    /** The change is complete. */
    void done() {
        working = false;
    }

    void requireIdle() {
        requireIntact();
        if (suspended) {
            throw new IllegalStateException("the sequence is suspended; resume it first");
        }
        if (tokens != NO_STEP) {
            throw new IllegalStateException("a step of " + tokens + " tokens was begun and not committed");
        }
    }

    void begin(int stepTokens, boolean isPrompt) {
        tokens = stepTokens;
        prompt = isPrompt;
        nextLayer = 0;
        done();
    }

    int tokens() {
        return tokens;
    }

    void requireLayer(int layer, boolean forPrompt) {
        requireIntact();
        if (tokens == NO_STEP || prompt != forPrompt) {
            throw new IllegalStateException(
                    forPrompt ? "attendPrompt without beginPrompt" : "attend without beginToken");
        }
        if (layer != nextLayer) {
            throw new IllegalStateException("layer " + layer + " is out of order, " + nextLayer + " is next");
        }
    }

    void layerDone(int layers) {
        done();
        nextLayer++;
        if (nextLayer > layers) {
            throw new IllegalStateException("layer " + (nextLayer - 1) + " does not exist");
        }
    }

    /** Forgets which layers were captured, or that one was refused: a capture runs nothing. */
    void rewind() {
        nextLayer = 0;
        done();
    }

    void requireComplete(int layers) {
        requireIntact();
        if (tokens == NO_STEP || nextLayer != layers) {
            throw new IllegalStateException("commit after " + nextLayer + " of " + layers + " layers");
        }
    }

    void end() {
        tokens = NO_STEP;
        done();
    }

    /** Refuses everything but {@link #resume} and {@link #close} from here on. */
    void suspend() {
        suspended = true;
    }

    void resume() {
        suspended = false;
    }

    void close() {
        requireOpen();
        closed = true;
        tokens = NO_STEP;
    }

    /** Throws unless a layer was given as many rows as are alive. */
    static void requireAlive(int layer, int rows, int alive) {
        if (rows != alive) {
            throw new IllegalArgumentException(
                    "layer " + layer + " was given " + rows + " rows, " + alive + " are alive");
        }
    }

    /** Refuses buffers that are too short for {@code rows} rows. */
    static void requireRows(
            CacheGeometry geometry, int rows, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
        requireBytes("q", q, rows, geometry.queryRowElements());
        requireBytes("k", k, rows, geometry.keyValueRowElements());
        requireBytes("v", v, rows, geometry.keyValueRowElements());
        requireBytes("out", out, rows, geometry.queryRowElements());
    }

    private static void requireBytes(String name, MemorySegment buffer, int rows, int rowElements) {
        if (buffer.byteSize() < 4L * rows * rowElements) {
            throw new IllegalArgumentException(name + " holds " + buffer.byteSize() + " bytes; " + rows + " rows of "
                    + rowElements + " F32 elements are needed");
        }
    }
}
