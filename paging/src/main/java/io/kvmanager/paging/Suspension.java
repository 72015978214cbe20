package io.kvmanager.paging;

import io.kvmanager.Admission;
import io.kvmanager.KvCacheException.OutOfMemory;
import org.jspecify.annotations.Nullable;

/** Whether one sequence is suspended, and the moves out of device memory and back. */
final class Suspension {
    private final LayerBlocks[] layers;
    private final HostCopies copies;
    private final Reservation reservation;
    private @Nullable SuspendedSequence moved;

    Suspension(LayerBlocks[] layers, HostCopies copies, Reservation reservation) {
        this.layers = layers;
        this.copies = copies;
        this.reservation = reservation;
    }

    /** Device blocks that the layers hold, or would hold had they not been moved. */
    long deviceBlocks() {
        long blocks = 0;
        for (LayerBlocks layer : layers) {
            blocks += layer.shape.deviceBlocks();
        }
        return blocks;
    }

    boolean holds() {
        return moved != null;
    }

    /** Moves every block to host memory; returns how many were copied. */
    int moveOut() {
        SuspendedSequence out = new SuspendedSequence(layers, copies);
        int homes = out.prepareOut();
        try {
            reservation.begin(0, homes);
        } catch (OutOfMemory shortage) {
            out.release();
            throw shortage;
        }
        try {
            out.store(reservation);
        } catch (RuntimeException | Error failure) {
            out.release();
            throw failure;
        } finally {
            reservation.end();
        }
        out.moveOut();
        moved = out;
        return homes;
    }

    /** Moves every block back; returns how many were copied. */
    int moveIn() {
        SuspendedSequence out = require();
        int blocks = out.prepareIn();
        try {
            reservation.begin(blocks, 0);
        } catch (OutOfMemory shortage) {
            out.cancelIn();
            throw shortage;
        }
        try {
            out.load(reservation);
        } catch (RuntimeException | Error failure) {
            out.cancelIn();
            throw failure;
        } finally {
            reservation.end();
        }
        out.moveIn();
        moved = null;
        return blocks;
    }

    /** Whether {@link #moveIn} may be called now. */
    Admission admit(AdmissionControl admission) {
        SuspendedSequence out = require();
        try {
            return admission.admitSuspended(out.prepareIn());
        } finally {
            out.cancelIn();
        }
    }

    private SuspendedSequence require() {
        SuspendedSequence out = moved;
        if (out == null) {
            throw new IllegalStateException("the sequence is not suspended");
        }
        return out;
    }

    /** Gives every home back. */
    void release() {
        if (moved != null) {
            moved.release();
        }
    }

    /** Adds its references to the recount, for audits. */
    void count(int[] homeReferences) {
        if (moved != null) {
            moved.count(homeReferences);
        }
    }
}
