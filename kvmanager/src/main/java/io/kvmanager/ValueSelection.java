package io.kvmanager;

/**
 * Which offloaded value tiles a step fetches, chosen per KV head from the exact attention mass of its tiles (KCache,
 * arXiv 2404.18057). Tiles are taken in descending mass summed over the GQA group; ties go to the lower block index.
 */
public sealed interface ValueSelection {

    /**
     * The most tiles that one KV head brings into the tile cache in one step. For all but {@link Certified} the tile
     * cache must hold as many per KV head.
     */
    int maxTiles();

    /** The {@code tiles} tiles of largest mass. */
    record TopN(int tiles) implements ValueSelection {
        public TopN {
            if (tiles < 1) {
                throw new IllegalArgumentException("topN(" + tiles + ") is not accepted; accepted: 1 or more tiles");
            }
        }

        @Override
        public int maxTiles() {
            return tiles;
        }

        @Override
        public String toString() {
            return "topN(" + tiles + ")";
        }
    }

    /**
     * The fewest tiles that, with what is resident, cover the nucleus mass of the GQA group's mean distribution.
     *
     * @param mass nucleus mass to cover, 0..1
     * @param maxTiles upper limit, tiles
     */
    record Nucleus(double mass, int maxTiles) implements ValueSelection {
        public Nucleus {
            if (!(mass > 0 && mass <= 1)) {
                throw new IllegalArgumentException(
                        "nucleus mass " + mass + " is not accepted; accepted: above 0, at most 1");
            }
            if (maxTiles < 1) {
                throw new IllegalArgumentException(
                        "nucleus limit " + maxTiles + " is not accepted; accepted: 1 or more tiles");
            }
        }

        @Override
        public String toString() {
            return "nucleus(" + mass + "," + maxTiles + ")";
        }
    }

    /**
     * The fewest tiles, in descending share of the error bound, with which the attention output of every query head is
     * within {@code epsilon} of the exact one: {@code |output - exact| <= epsilon * |exact|}, up to F32 rounding. What
     * does not fit into the tile cache is read where it lies in host memory; in the end everything is read, so that the
     * bound is always met.
     *
     * @param epsilon relative error of an attention output at most, above 0, at most 1
     */
    record Certified(double epsilon) implements ValueSelection {
        public Certified {
            if (!(epsilon > 0 && epsilon <= 1)) {
                throw new IllegalArgumentException(
                        "certified(" + epsilon + ") is not accepted; accepted: a relative error above 0, at most 1");
            }
        }

        /** Tile slots per KV head that a derived tile cache has; a step may read more. */
        @Override
        public int maxTiles() {
            return 8;
        }

        @Override
        public String toString() {
            return "certified(" + epsilon + ")";
        }
    }

    /** Reads {@code topN(8)}, {@code certified(0.01)} or {@code nucleus(0.99,32)} (the limit may be left out). */
    static ValueSelection parse(String text) {
        PolicyText policy = PolicyText.parse("selection", text);
        String accepted = "topN(n), nucleus(mass), nucleus(mass,limit), certified(epsilon)";
        ValueSelection selection = switch (policy.name()) {
            case "topn" -> new TopN(policy.positionalInt(0, 8));
            case "nucleus" -> new Nucleus(policy.positional(0, 0.99), policy.positionalInt(1, 64));
            case "certified" -> new Certified(policy.positional(0, 0.01));
            default -> throw new IllegalArgumentException("selection '" + text + "' is unknown; accepted: " + accepted);
        };
        policy.done(accepted);
        return selection;
    }
}
