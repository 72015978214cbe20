package io.kvmanager;

import java.util.List;

/**
 * Which tokens a layer keeps. One index set per layer and sequence, shared by its KV heads; under a
 * {@link BudgetPolicy} one per KV head.
 */
public sealed interface RetentionPolicy
        permits RetentionPolicy.All,
                RetentionPolicy.Local,
                RetentionPolicy.Pyramid,
                RetentionPolicy.PerLayer,
                RetentionPolicy.PerChunk,
                BudgetPolicy {

    /** Tokens that leave the recent window together in generation, and are then pruned; PyramidInfer's "exceed". */
    int GENERATION_WINDOW = 16;

    /** Name of the schedule that stands in where a cache prunes and no profile was given. */
    String WITHOUT_PROFILE = "conservative";

    /** Everything. */
    record All() implements RetentionPolicy {
        @Override
        public String toString() {
            return "all";
        }
    }

    /**
     * Sinks and a sliding recent window in every layer (StreamingLLM, arXiv 2309.17453).
     *
     * @param sinkTokens first tokens, always kept
     * @param recentTokens newest tokens, always kept; up to {@link #GENERATION_WINDOW} more await pruning
     */
    record Local(int sinkTokens, int recentTokens) implements RetentionPolicy {
        public Local {
            requireAtLeast("sinkTokens", sinkTokens, 0);
            requireAtLeast("recentTokens", recentTokens, 1);
        }

        /** The same under a budget: sinks, and the rest of {@code tokens} tokens as the recent window. */
        Local within(int tokens) {
            int sinks = Math.min(sinkTokens, tokens - 1);
            return new Local(sinks, tokens - sinks);
        }

        @Override
        public String toString() {
            return "local(sinks=" + sinkTokens + ",recent=" + recentTokens + ")";
        }
    }

    /**
     * PyramidInfer (arXiv 2405.12532): behind each layer only the pivotal context and the recent window stay alive;
     * dropped rows are never computed in deeper layers ("row-dropping").
     *
     * @param name preset name, or {@code pyramid}
     * @param schedule share of the surviving context that survives each layer
     * @param recentRatio recent window, as a share of the prompt (of layer 0's length in generation)
     * @param sinkTokens first tokens, always kept
     * @param minContextTokens contexts that would fall to this or below are not pruned
     * @param distanceWeight weight of the newest query over the oldest when queries vote; 1 = equal
     * @param interval prune behind every {@code interval}-th layer only
     * @param firstPrunedLayer first layer behind which rows may be dropped
     * @param observationQueries most queries that are kept per layer to vote in generation, tokens
     */
    record Pyramid(
            String name,
            LayerSchedule schedule,
            double recentRatio,
            int sinkTokens,
            int minContextTokens,
            double distanceWeight,
            int interval,
            int firstPrunedLayer,
            int observationQueries)
            implements RetentionPolicy {
        public Pyramid {
            if (!(recentRatio >= 0 && recentRatio < 1)) {
                throw new IllegalArgumentException(
                        "recentRatio " + recentRatio + " is not accepted; accepted: from 0 to below 1");
            }
            requireAtLeast("sinkTokens", sinkTokens, 0);
            requireAtLeast("minContextTokens", minContextTokens, 0);
            requireAtLeast("interval", interval, 1);
            requireAtLeast("firstPrunedLayer", firstPrunedLayer, 0);
            requireAtLeast("observationQueries", observationQueries, 1);
            if (!(distanceWeight > 0)) {
                throw new IllegalArgumentException(
                        "distanceWeight " + distanceWeight + " is not accepted; accepted: above 0");
            }
        }

        /** The defaults of the released code: recent .2, sinks 4, minimum context 64, distance weight 1.2. */
        public static Pyramid of(String name, LayerSchedule schedule, double recentRatio, int interval) {
            return new Pyramid(name, schedule, recentRatio, 4, 64, 1.2, interval, 0, 16);
        }

        @Override
        public String toString() {
            return name;
        }
    }

    /**
     * A share per layer, of that layer's own tokens and chosen by that layer's own attention; every row is computed in
     * every layer ("cache-only"). What {@code kv calibrate} measures is one of these.
     *
     * @param name {@code profile} or {@code layers}
     * @param shares share of the prompt that each layer keeps, 1 = never pruned
     * @param recentTokens newest tokens, always kept
     * @param sinkTokens first tokens, always kept
     * @param observationQueries newest queries, whose mean attention scores the context
     * @param poolingWidth width of the maximum filter over the scores (SnapKV, arXiv 2404.14469); odd, 1 = none
     */
    record PerLayer(
            String name,
            List<Double> shares,
            int recentTokens,
            int sinkTokens,
            int observationQueries,
            int poolingWidth)
            implements RetentionPolicy {
        public PerLayer {
            shares = List.copyOf(shares);
            for (double share : shares) {
                if (!(share > 0 && share <= 1)) {
                    throw new IllegalArgumentException(
                            "retention share " + share + " is not accepted; accepted: above 0, at most 1");
                }
            }
            requireAtLeast("recentTokens", recentTokens, 1);
            requireAtLeast("sinkTokens", sinkTokens, 0);
            requireAtLeast("observationQueries", observationQueries, 1);
            requireAtLeast("poolingWidth", poolingWidth, 1);
            if (poolingWidth % 2 == 0) {
                throw new IllegalArgumentException(
                        "poolingWidth " + poolingWidth + " is not accepted; accepted: an odd number");
            }
        }

        /** The defaults: recent 32, sinks 4, 16 observation queries, pooling over 7. */
        public static PerLayer of(String name, List<Double> shares) {
            return new PerLayer(name, shares, 32, 4, 16, 7);
        }

        @Override
        public String toString() {
            return name;
        }
    }

    /**
     * A share per layer of every chunk of tokens, chosen when the chunk is complete by its own last queries
     * ("cache-only"): what is kept is a function of the tokens before, whatever comes behind, so that pruned prefixes
     * can be shared. The chunk that is not complete yet is kept whole.
     *
     * @param shares share of a chunk that each layer keeps, rounded up to whole blocks; 1 = never pruned
     * @param chunkTokens tokens of a chunk
     * @param sinkTokens first tokens of the sequence, always kept
     * @param observationQueries last queries of a chunk, whose mean attention scores it; their own tokens are kept
     * @param poolingWidth width of the maximum filter over the scores; odd, 1 = none
     */
    record PerChunk(List<Double> shares, int chunkTokens, int sinkTokens, int observationQueries, int poolingWidth)
            implements RetentionPolicy {
        public PerChunk {
            PerLayer checked = new PerLayer("chunks", shares, 1, sinkTokens, observationQueries, poolingWidth);
            shares = checked.shares();
            requireAtLeast("chunk size", chunkTokens, observationQueries + sinkTokens);
        }

        /** Slots that a layer keeps of a chunk. */
        public int kept(int layer, int blockTokens) {
            double share = shares.get(layer);
            int least = Math.max((int) (chunkTokens * share), observationQueries + sinkTokens);
            int rounded = Math.ceilDiv(least, blockTokens) * blockTokens;
            return share >= 1 ? chunkTokens : Math.min(chunkTokens, rounded);
        }

        @Override
        public String toString() {
            return "chunks";
        }
    }

    /** What {@link #parse} accepts. */
    String ACCEPTED = "all, profile, local(sinks=n,recent=n), paper-7b, paper-13b, paper-70b, half,"
            + " pyramid(curve=cosine|geometric|linear|constant,d=x,recent=x,first=n,…),"
            + " pyramid(curve=explicit,ratios=1/1/.5), layers(1/1/.5,recent=n,…), chunks(1/1/.5,size=n,…),"
            + " h2o(budget=x,recent=x), snapkv(budget=x,window=n,pool=n), pyramidkv(budget=x,window=n,pool=n,beta=n),"
            + " tova(budget=x), quest(budget=x,full=n)";

    /**
     * Reads what {@link #ACCEPTED} lists, except {@code profile}, which is measured per model and therefore given to
     * the configuration by the engine.
     *
     * <p>Presets: {@code paper-7b}, {@code paper-13b} and {@code paper-70b} as PyramidInfer was released (they keep
     * about three quarters); {@code half} is tuned to keep at most 46 % of a long prompt. In {@code pyramid(…)},
     * {@code first} is the first pruned layer: everything is computed and kept up to it (FastKV, arXiv 2502.01068).
     */
    static RetentionPolicy parse(String text) {
        PolicyText policy = PolicyText.parse("retention", text);
        RetentionPolicy retention = switch (policy.name()) {
            case "all" -> new All();
            case "local" -> new Local(policy.takeInt("sinks", 4), policy.takeInt("recent", 256));
            case "paper-7b" -> Pyramid.of("paper-7b", new LayerSchedule.Cosine(.9), .2, 1);
            case "paper-13b" -> Pyramid.of("paper-13b", new LayerSchedule.Cosine(.8), .2, 2);
            case "paper-70b" -> Pyramid.of("paper-70b", new LayerSchedule.Cosine(.9), .2, 3);
            case "half" -> Pyramid.of("half", new LayerSchedule.Cosine(.6), .05, 1);
            case "pyramid" -> parsePyramid(policy);
            case "layers" -> {
                List<Double> shares = policy.takeShares("shares");
                yield new PerLayer(
                        "layers",
                        shares,
                        policy.takeInt("recent", 32),
                        policy.takeInt("sinks", 4),
                        policy.takeInt("queries", 16),
                        policy.takeInt("pool", 7));
            }
            case "chunks" ->
                new PerChunk(
                        policy.takeShares("shares"),
                        policy.takeInt("size", 256),
                        policy.takeInt("sinks", 4),
                        policy.takeInt("queries", 16),
                        policy.takeInt("pool", 7));
            case "h2o", "snapkv", "pyramidkv", "tova", "quest" -> BudgetPolicy.parse(policy);
            default -> throw new IllegalArgumentException("retention '" + text + "' is unknown; accepted: " + ACCEPTED);
        };
        policy.done(ACCEPTED);
        return retention;
    }

    private static Pyramid parsePyramid(PolicyText policy) {
        String curve = policy.takeText("curve", "cosine");
        double d = policy.take("d", .9);
        LayerSchedule schedule = switch (curve) {
            case "cosine" -> new LayerSchedule.Cosine(d);
            case "geometric" -> new LayerSchedule.Geometric(d);
            case "linear" -> new LayerSchedule.Linear(d);
            case "constant" -> new LayerSchedule.Constant(d);
            case "explicit" -> new LayerSchedule.Explicit(policy.takeShares("ratios"));
            default ->
                throw new IllegalArgumentException("retention curve '" + curve
                        + "' is unknown; accepted: cosine, geometric, linear, constant, explicit");
        };
        return new Pyramid(
                "pyramid",
                schedule,
                policy.take("recent", .2),
                policy.takeInt("sinks", 4),
                policy.takeInt("mincontext", 64),
                policy.take("weight", 1.2),
                policy.takeInt("interval", 1),
                policy.takeInt("first", 0),
                policy.takeInt("queries", 16));
    }

    private static void requireAtLeast(String name, int value, int least) {
        if (value < least) {
            throw new IllegalArgumentException(
                    name + " " + value + " is not accepted; accepted: " + least + " or more");
        }
    }
}
