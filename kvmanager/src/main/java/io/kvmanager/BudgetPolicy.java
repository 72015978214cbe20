package io.kvmanager;

/**
 * Published policies that ours are compared with, each under one budget: how many tokens a KV head of a layer keeps
 * (or, for {@link Quest}, reads), in the mean over layers. KV heads choose for themselves, except under {@link Tova}.
 *
 * <p>A first prompt is computed whole, layer by layer; then its layer keeps what the policy chooses. The attention that
 * chooses is the exact one, over what the layer holds.
 */
public sealed interface BudgetPolicy extends RetentionPolicy {

    /** The budget where none is set: a share of the prompt. */
    double DEFAULT = .3;

    /** Up to 1, a share of the first prompt's tokens; above 1, tokens. */
    double budget();

    /** The same policy under another budget. */
    BudgetPolicy withBudget(double budget);

    /** The cache that runs it. */
    CacheName cache();

    /** The budget in tokens, for a first prompt of {@code promptTokens} tokens. */
    default int budgetTokens(int promptTokens) {
        return tokens(budget(), promptTokens);
    }

    /** A budget in tokens: 1 or more. */
    static int tokens(double budget, int promptTokens) {
        return budget > 1 ? (int) budget : Math.max(1, (int) (promptTokens * budget));
    }

    /**
     * H2O (arXiv 2306.14048): the tokens that have received most attention so far, summed over the GQA group, and the
     * newest ones. Behind each token the lightest of the others is evicted.
     *
     * @param budget see {@link BudgetPolicy#budget}
     * @param recentShare share of the budget that is the recent window, 0..1
     */
    record H2o(double budget, double recentShare) implements BudgetPolicy {
        public H2o {
            requireBudget(budget);
            if (!(recentShare >= 0 && recentShare < 1)) {
                throw new IllegalArgumentException(
                        "h2o recent " + recentShare + " is not accepted; accepted: from 0 to below 1");
            }
        }

        @Override
        public H2o withBudget(double value) {
            return new H2o(value, recentShare);
        }

        @Override
        public CacheName cache() {
            return CacheName.H2O;
        }

        @Override
        public String toString() {
            return "h2o(budget=" + text(budget) + ",recent=" + text(recentShare) + ")";
        }
    }

    /**
     * TOVA (arXiv 2401.06104): behind each token, the token with the least attention of that last query, mean over all
     * query heads, is evicted from the whole layer, be it the newest. A prompt is cut by its last query alone.
     *
     * @param budget see {@link BudgetPolicy#budget}
     */
    record Tova(double budget) implements BudgetPolicy {
        public Tova {
            requireBudget(budget);
        }

        @Override
        public Tova withBudget(double value) {
            return new Tova(value);
        }

        @Override
        public CacheName cache() {
            return CacheName.TOVA;
        }

        @Override
        public String toString() {
            return "tova(budget=" + text(budget) + ")";
        }
    }

    /**
     * SnapKV (arXiv 2404.14469): the last queries of the prompt vote once, their attention goes through a maximum
     * filter, and each KV head keeps the best and the window itself. What is generated is kept.
     *
     * @param budget see {@link BudgetPolicy#budget}; the window is part of it
     * @param windowTokens queries that vote, whose own tokens stay
     * @param poolingWidth width of the maximum filter, odd; 1 = none
     */
    record SnapKv(double budget, int windowTokens, int poolingWidth) implements BudgetPolicy {
        public SnapKv {
            requireBudget(budget);
            requireWindow("snapkv", windowTokens, poolingWidth);
        }

        @Override
        public SnapKv withBudget(double value) {
            return new SnapKv(value, windowTokens, poolingWidth);
        }

        @Override
        public CacheName cache() {
            return CacheName.SNAPKV;
        }

        @Override
        public String toString() {
            return "snapkv(budget=" + text(budget) + ",window=" + windowTokens + ",pool=" + poolingWidth + ")";
        }
    }

    /**
     * PyramidKV (arXiv 2406.02069): votes as {@link SnapKv}; the budgets beside the window fall in arithmetic
     * progression from the first layer to the last, which gets one {@code beta}-th of their mean. Their sum is that of
     * equal budgets.
     *
     * @param budget see {@link BudgetPolicy#budget}; mean over layers
     * @param windowTokens queries that vote, whose own tokens stay
     * @param poolingWidth width of the maximum filter, odd; 1 = none
     * @param beta mean budget over the last layer's, 1 or more
     */
    record PyramidKv(double budget, int windowTokens, int poolingWidth, int beta) implements BudgetPolicy {
        public PyramidKv {
            requireBudget(budget);
            requireWindow("pyramidkv", windowTokens, poolingWidth);
            if (beta < 1) {
                throw new IllegalArgumentException("pyramidkv beta " + beta + " is not accepted; accepted: 1 or more");
            }
        }

        @Override
        public PyramidKv withBudget(double value) {
            return new PyramidKv(value, windowTokens, poolingWidth, beta);
        }

        @Override
        public CacheName cache() {
            return CacheName.PYRAMIDKV;
        }

        @Override
        public String toString() {
            return "pyramidkv(budget=" + text(budget) + ",window=" + windowTokens + ",pool=" + poolingWidth + ",beta="
                    + beta + ")";
        }
    }

    /**
     * Quest (arXiv 2406.10774): everything is kept. Per page (a block) the smallest and the largest element of K bound
     * what a query can score there; each KV head reads the pages with the highest bounds, and the newest page. The
     * softmax is over what is read.
     *
     * <p>A page's bound is the largest over the GQA group. The kernels score every page and renormalise over the chosen
     * ones, which gives the same output; {@link FetchReport#bytesFetched} counts what Quest reads: all bounds, and K
     * and V of the chosen pages.
     *
     * @param budget see {@link BudgetPolicy#budget}; what is read per step, rounded up to whole pages
     * @param fullLayers first layers that read everything
     */
    record Quest(double budget, int fullLayers) implements BudgetPolicy {
        public Quest {
            requireBudget(budget);
            if (fullLayers < 0) {
                throw new IllegalArgumentException(
                        "quest full " + fullLayers + " is not accepted; accepted: 0 or more");
            }
        }

        @Override
        public Quest withBudget(double value) {
            return new Quest(value, fullLayers);
        }

        @Override
        public CacheName cache() {
            return CacheName.QUEST;
        }

        @Override
        public String toString() {
            return "quest(budget=" + text(budget) + ",full=" + fullLayers + ")";
        }
    }

    /** Reads a policy whose name is that of its cache; what is left out is as published. */
    static BudgetPolicy parse(PolicyText policy) {
        double budget = policy.take("budget", DEFAULT);
        return switch (CacheName.parse(policy.name())) {
            case H2O -> new H2o(budget, policy.take("recent", .5));
            case TOVA -> new Tova(budget);
            case SNAPKV -> new SnapKv(budget, policy.takeInt("window", 32), policy.takeInt("pool", 7));
            case PYRAMIDKV ->
                new PyramidKv(
                        budget, policy.takeInt("window", 32), policy.takeInt("pool", 7), policy.takeInt("beta", 20));
            case QUEST -> new Quest(budget, policy.takeInt("full", 2));
            default -> throw new IllegalArgumentException("retention '" + policy.name() + "' has no budget");
        };
    }

    /** A retention under another budget; refuses those that do not have one. */
    static RetentionPolicy within(RetentionPolicy retention, double budget, int promptTokens) {
        return switch (retention) {
            case BudgetPolicy policy -> policy.withBudget(budget);
            case Local local -> local.within(tokens(budget, promptTokens));
            default ->
                throw new IllegalArgumentException("budget " + text(budget) + " does not go with retention " + retention
                        + "; accepted: cache local, h2o, snapkv, pyramidkv, tova, quest");
        };
    }

    /** Throws one clear line unless {@code budget} is a share or a whole number of tokens. */
    static void requireBudget(double budget) {
        boolean share = budget > 0 && budget <= 1;
        boolean tokens = budget > 1 && budget <= Integer.MAX_VALUE && budget == Math.rint(budget);
        if (!share && !tokens) {
            throw new IllegalArgumentException("budget " + text(budget)
                    + " is not accepted; accepted: a share of the prompt, above 0 to 1, or 2 or more whole tokens");
        }
    }

    private static void requireWindow(String policy, int windowTokens, int poolingWidth) {
        if (windowTokens < 1) {
            throw new IllegalArgumentException(
                    policy + " window " + windowTokens + " is not accepted; accepted: 1 or more");
        }
        if (poolingWidth < 1 || poolingWidth % 2 == 0) {
            throw new IllegalArgumentException(
                    policy + " pool " + poolingWidth + " is not accepted; accepted: an odd number");
        }
    }

    private static String text(double value) {
        return value == Math.rint(value) ? String.valueOf((long) value) : String.valueOf(value);
    }
}
