package io.kvmanager.bench.stress;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;

/**
 * Rows of q, k and v that follow from (stamp, layer, role) alone, -1 to 1. A stamp is a digest of what its token's
 * sequence was told up to and with it, so rows of other sequences, layers, roles and positions are other rows.
 */
final class RowContents {
    /** What a row is. */
    enum Role {
        QUERY(0x2545F4914F6CDD1DL),
        KEY(0x5851F42D4C957F2DL),
        VALUE(0x14057B7EF767814FL);

        private final long salt;

        Role(long salt) {
            this.salt = salt;
        }
    }

    /** Scores have a standard deviation of about 1 then, so that every token counts. */
    private static final float QUERY_SCALE = 3;

    private static final long GOLDEN = 0x9E3779B97F4A7C15L;

    private final CacheGeometry geometry;

    RowContents(CacheGeometry geometry) {
        this.geometry = geometry;
    }

    /** The stamp of a token behind a stamp. */
    static long stamp(long before, int token) {
        return mixed(before * GOLDEN + token + 1);
    }

    private static long mixed(long word) {
        long mixed = (word ^ (word >>> 30)) * 0xBF58476D1CE4E5B9L;
        mixed = (mixed ^ (mixed >>> 27)) * 0x94D049BB133111EBL;
        return mixed ^ (mixed >>> 31);
    }

    /** Elements of a row. */
    int elements(Role role) {
        return role == Role.QUERY ? geometry.queryRowElements() : geometry.keyValueRowElements();
    }

    /** Writes a row as an engine passes it, from {@code at} on. */
    void write(Role role, long stamp, int layer, float[] to, int at) {
        long word = mixed(stamp + role.salt * (layer + 1));
        float scale = role == Role.QUERY ? QUERY_SCALE : 1;
        for (int i = 0; i < elements(role); i++) {
            word += GOLDEN;
            to[at + i] = scale * ((mixed(word) >> 40) * 0x1p-23f);
        }
    }

    /** Writes a row of K or V as it is stored. */
    void writeStored(Role role, long stamp, int layer, float[] to, int at) {
        write(role, stamp, layer, to, at);
        ElementType type = geometry.elementType();
        if (type != ElementType.F32) {
            for (int i = at; i < at + elements(role); i++) {
                to[i] = type.decode(type.encode(to[i]));
            }
        }
    }
}
