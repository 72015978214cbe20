package io.kvmanager.bench;

/**
 * What one way of copying took.
 *
 * @param way {@code single}, {@code batch}, {@code kernel}, {@code bulk} for one piece, or {@code copy} on a device
 *     that has one way
 * @param toDevice from host to device memory, or back
 * @param pieceBytes size of a piece
 * @param pieces copied in one pass
 * @param nanosMin fastest pass
 * @param nanosMedian the pass in the middle
 * @param nanosMax slowest pass
 */
record TransferRun(
        String way, boolean toDevice, long pieceBytes, int pieces, long nanosMin, long nanosMedian, long nanosMax) {

    /** From the times of all passes, ascending. */
    static TransferRun of(String way, boolean toDevice, long pieceBytes, int pieces, long[] nanos) {
        return new TransferRun(
                way, toDevice, pieceBytes, pieces, nanos[0], nanos[nanos.length / 2], nanos[nanos.length - 1]);
    }

    /** Gigabytes per second of a pass that took {@code nanos}. */
    double bandwidth(long nanos) {
        return pieceBytes * pieces / (double) nanos;
    }
}
