package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.KvSequence;

/**
 * What every slot must hold: two floats per KV head, the stamp of the step that wrote its token, and a code of layer,
 * role, KV head and position. Knows which sequence is being worked on.
 */
final class SlotModel {
    static final int KEY = 0;
    static final int VALUE = 1;
    static final int QUERY = 2;
    static final int HEAD_SIZE = 2;
    private static final int ROLES = 3;
    private static final int HEADS = 8;
    private static final int POSITIONS = 256;

    private final CacheGeometry geometry;
    private KvSequence sequence;
    private int[] stamps = {};
    private int layer;

    SlotModel(CacheGeometry geometry) {
        this.geometry = geometry;
    }

    /** Names the sequence whose kernels are launched from here on; {@code stamps[p]} wrote position p. */
    void working(KvSequence on, int[] stampOfPosition) {
        sequence = on;
        stamps = stampOfPosition;
    }

    void layer(int number) {
        layer = number;
    }

    /** Code of a slot's second element; exact in a float. */
    static float code(int layer, int role, int head, int position) {
        return ((layer * ROLES + role) * HEADS + head) * POSITIONS + position;
    }

    static int layerOf(float code) {
        return (int) code / (ROLES * HEADS * POSITIONS);
    }

    static int positionOf(float code) {
        return (int) code % POSITIONS;
    }

    /** Rows of one role for an engine's buffer, {@code [positions][heads][HEAD_SIZE]}. */
    float[] rows(int role, int[] positions) {
        int heads = role == QUERY ? geometry.queryHeads() : geometry.kvHeads();
        float[] rows = new float[positions.length * heads * HEAD_SIZE];
        int at = 0;
        for (int position : positions) {
            for (int head = 0; head < heads; head++) {
                rows[at++] = stamps[position];
                rows[at++] = code(layer, role, head, position);
            }
        }
        return rows;
    }

    /** What the slots of the current layer must hold, as of now. */
    Expected expected() {
        return expected(layer);
    }

    Expected expected(int ofLayer) {
        return new Expected(ofLayer, sequence.positions(ofLayer), stamps.clone());
    }

    /** A layer's slots at one moment: slot s holds position {@code positions[s]}. */
    static final class Expected {
        private final int layer;
        private final int[] positions;
        private final int[] stamps;

        private Expected(int layer, int[] positions, int[] stamps) {
            this.layer = layer;
            this.positions = positions;
            this.stamps = stamps;
        }

        int layer() {
            return layer;
        }

        int slots() {
            return positions.length;
        }

        int position(int slot) {
            return positions[slot];
        }

        /** Stamp of the step that wrote a slot. */
        float stamp(int slot) {
            return stamps[positions[slot]];
        }

        float stampOfPosition(int position) {
            return stamps[position];
        }

        float code(int role, int head, int slot) {
            return SlotModel.code(layer, role, head, positions[slot]);
        }
    }
}
