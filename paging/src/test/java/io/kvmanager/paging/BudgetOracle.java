package io.kvmanager.paging;

import io.kvmanager.BudgetPolicy;
import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import io.kvmanager.testing.EngineDouble;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * The policies under a budget as their papers describe them: sets of tokens per layer and KV head, maps of scores by
 * token, double precision, choices by sorting. Nothing is shared with the caches but the policies' parameters.
 */
final class BudgetOracle {
    private final BudgetPolicy policy;
    private final CacheGeometry geometry;
    private final EngineDouble engine;
    private final List<List<TreeSet<Integer>>> held = new ArrayList<>();
    private final List<List<Map<Integer, Double>>> received = new ArrayList<>();
    private int promptTokens;

    BudgetOracle(BudgetPolicy policy, CacheGeometry geometry, EngineDouble engine) {
        this.policy = policy;
        this.geometry = geometry;
        this.engine = engine;
        for (int layer = 0; layer < geometry.layers(); layer++) {
            held.add(new ArrayList<>());
            received.add(new ArrayList<>());
            for (int kvHead = 0; kvHead < geometry.kvHeads(); kvHead++) {
                held.getLast().add(new TreeSet<>());
                received.getLast().add(new HashMap<>());
            }
        }
    }

    int[] held(int layer, int kvHead) {
        return ints(held.get(layer).get(kvHead));
    }

    private static int[] ints(Set<Integer> tokens) {
        return tokens.stream().mapToInt(Integer::intValue).toArray();
    }

    private int budget() {
        return policy.budget() > 1 ? (int) policy.budget() : Math.max(1, (int) (policy.budget() * promptTokens));
    }

    /** PyramidKV: first and last budget by the published formula, those between on a straight line. */
    private double pyramidBudget(BudgetPolicy.PyramidKv pyramid, int layer) {
        int window = Math.min(pyramid.windowTokens(), budget());
        int mean = budget() - window;
        int share = mean / pyramid.beta();
        double last = share;
        double first = 2 * mean - last;
        if (first > promptTokens - window) {
            first = promptTokens - window;
            last = 2 * mean - first;
        }
        int steps = geometry.layers() - 1;
        return window + (steps == 0 ? mean : first + (last - first) * layer / steps);
    }

    /** Attention that a query of {@code position} pays {@code tokens}, summed over the query heads of a group. */
    private Map<Integer, Double> paid(int layer, int position, int kvHead, Set<Integer> tokens) {
        Map<Integer, Double> sums = new HashMap<>();
        int[] seen = ints(tokens);
        for (int head = kvHead * geometry.groupSize(); head < (kvHead + 1) * geometry.groupSize(); head++) {
            double[] weights = engine.reference().weights(layer, engine.query(layer, position), head, seen);
            for (int i = 0; i < seen.length; i++) {
                sums.merge(seen[i], weights[i], Double::sum);
            }
        }
        return sums;
    }

    private static Set<Integer> upTo(int last) {
        Set<Integer> tokens = new TreeSet<>();
        for (int token = 0; token <= last; token++) {
            tokens.add(token);
        }
        return tokens;
    }

    private static Set<Integer> best(Map<Integer, Double> scores, Set<Integer> among, int count) {
        List<Integer> order = new ArrayList<>(among);
        order.sort(Comparator.comparingDouble((Integer token) -> -scores.getOrDefault(token, 0.0))
                .thenComparing(token -> token));
        return new HashSet<>(order.subList(0, Math.max(0, count)));
    }

    private static Set<Integer> newest(Set<Integer> tokens, int count) {
        List<Integer> order = new ArrayList<>(new TreeSet<>(tokens));
        return new HashSet<>(order.subList(order.size() - Math.min(count, order.size()), order.size()));
    }

    /** A layer's first prompt. */
    void prompt(int layer, int tokens) {
        promptTokens = tokens;
        for (int kvHead = 0; kvHead < geometry.kvHeads(); kvHead++) {
            held.get(layer).get(kvHead).addAll(upTo(tokens - 1));
            if (policy instanceof BudgetPolicy.H2o) {
                for (int query = 0; query < tokens; query++) {
                    receive(layer, kvHead, paid(layer, query, kvHead, upTo(query)));
                }
            }
        }
        int budget = budget();
        switch (policy) {
            case BudgetPolicy.H2o h2o -> {
                for (int kvHead = 0; tokens > budget && kvHead < geometry.kvHeads(); kvHead++) {
                    Set<Integer> all = held.get(layer).get(kvHead);
                    Set<Integer> recent = newest(all, (int) (budget * h2o.recentShare()));
                    Set<Integer> others = new TreeSet<>(all);
                    others.removeAll(recent);
                    all.retainAll(union(best(received.get(layer).get(kvHead), others, budget - recent.size()), recent));
                }
            }
            case BudgetPolicy.Tova tova -> {
                if (tokens > budget) {
                    keepInAllHeads(layer, best(meanPaid(layer, tokens - 1), upTo(tokens - 1), budget));
                }
            }
            case BudgetPolicy.SnapKv snap ->
                snap(layer, tokens, budget, snap.windowTokens(), snap.poolingWidth(), budget);
            case BudgetPolicy.PyramidKv pyramid -> {
                double layerBudget = pyramidBudget(pyramid, layer);
                boolean firstHalf = 2 * layer <= geometry.layers() - 1;
                int whole = (int) (firstHalf ? Math.ceil(layerBudget) : Math.floor(layerBudget));
                snap(layer, tokens, budget, pyramid.windowTokens(), pyramid.poolingWidth(), whole);
            }
            case BudgetPolicy.Quest quest -> {}
        }
    }

    private void snap(int layer, int tokens, int budget, int windowTokens, int pooling, int layerBudget) {
        if (tokens <= budget) {
            return;
        }
        int window = Math.min(windowTokens, layerBudget);
        for (int kvHead = 0; kvHead < geometry.kvHeads(); kvHead++) {
            double[] votes = new double[tokens];
            for (int query = Math.max(0, tokens - windowTokens); query < tokens; query++) {
                paid(layer, query, kvHead, upTo(query)).forEach((token, weight) -> votes[token] += weight);
            }
            Map<Integer, Double> pooled = new HashMap<>();
            for (int token = 0; token < tokens - window; token++) {
                int from = Math.max(0, token - pooling / 2);
                int to = Math.min(tokens - window, token + pooling / 2 + 1);
                pooled.put(token, Arrays.stream(votes, from, to).max().orElseThrow());
            }
            Set<Integer> all = held.get(layer).get(kvHead);
            all.retainAll(union(best(pooled, pooled.keySet(), layerBudget - window), newest(all, window)));
        }
    }

    private static Set<Integer> union(Set<Integer> one, Set<Integer> other) {
        Set<Integer> both = new HashSet<>(one);
        both.addAll(other);
        return both;
    }

    private void keepInAllHeads(int layer, Set<Integer> tokens) {
        held.get(layer).forEach(of -> of.retainAll(tokens));
    }

    private Map<Integer, Double> meanPaid(int layer, int query) {
        Map<Integer, Double> sums = new HashMap<>();
        for (int kvHead = 0; kvHead < geometry.kvHeads(); kvHead++) {
            paid(layer, query, kvHead, held.get(layer).get(kvHead))
                    .forEach((token, weight) -> sums.merge(token, weight / geometry.queryHeads(), Double::sum));
        }
        return sums;
    }

    private void receive(int layer, int kvHead, Map<Integer, Double> paid) {
        paid.forEach((token, weight) -> received.get(layer).get(kvHead).merge(token, weight, Double::sum));
    }

    /** A layer's next token: its attention output, {@code [queryHeads][headSize]}. */
    double[] token(int layer, int position) {
        double[] out = new double[geometry.queryRowElements()];
        for (int kvHead = 0; kvHead < geometry.kvHeads(); kvHead++) {
            Set<Integer> tokens = held.get(layer).get(kvHead);
            tokens.add(position);
            int[] read = policy instanceof BudgetPolicy.Quest quest && layer >= quest.fullLayers()
                    ? pagesRead(layer, position, kvHead)
                    : ints(tokens);
            double[] whole = engine.reference().attend(layer, engine.query(layer, position), read);
            int elements = geometry.groupSize() * geometry.headSize();
            System.arraycopy(whole, kvHead * elements, out, kvHead * elements, elements);
        }
        evict(layer, position);
        return out;
    }

    private void evict(int layer, int position) {
        int budget = budget();
        if (policy instanceof BudgetPolicy.Tova && held.get(layer).getFirst().size() > budget) {
            keepInAllHeads(
                    layer, best(meanPaid(layer, position), held.get(layer).getFirst(), budget));
        }
        for (int kvHead = 0; policy instanceof BudgetPolicy.H2o h2o && kvHead < geometry.kvHeads(); kvHead++) {
            Set<Integer> tokens = held.get(layer).get(kvHead);
            receive(layer, kvHead, paid(layer, position, kvHead, tokens));
            if (tokens.size() > budget) {
                Map<Integer, Double> scores = received.get(layer).get(kvHead);
                Set<Integer> candidates = new TreeSet<>(tokens);
                candidates.removeAll(newest(tokens, (int) (budget * h2o.recentShare())));
                tokens.remove(candidates.stream()
                        .min(Comparator.comparingDouble(scores::get))
                        .orElseThrow());
            }
        }
    }

    /** Tokens of the pages whose keys could score highest, and of the newest page. */
    private int[] pagesRead(int layer, int position, int kvHead) {
        int page = geometry.blockTokens();
        int pages = position / page + 1;
        int most = (budget() + page - 1) / page;
        Map<Integer, Double> bounds = new HashMap<>();
        float[] q = engine.query(layer, position);
        int size = geometry.headSize();
        for (int p = 0; p < pages - 1; p++) {
            double largest = Double.NEGATIVE_INFINITY;
            for (int head = kvHead * geometry.groupSize(); head < (kvHead + 1) * geometry.groupSize(); head++) {
                double bound = 0;
                for (int d = 0; d < size; d++) {
                    double product = Double.NEGATIVE_INFINITY;
                    for (int token = p * page; token < (p + 1) * page; token++) {
                        float key = stored(engine.key(layer, token)[kvHead * size + d]);
                        product = Math.max(product, (double) q[head * size + d] * key);
                    }
                    bound += product;
                }
                largest = Math.max(largest, bound);
            }
            bounds.put(p, largest);
        }
        Set<Integer> read = best(bounds, bounds.keySet(), Math.min(most, pages) - 1);
        read.add(pages - 1);
        Set<Integer> tokens = new TreeSet<>(upTo(position));
        tokens.removeIf(token -> !read.contains(token / page));
        return ints(tokens);
    }

    private float stored(float element) {
        ElementType type = geometry.elementType();
        return type == ElementType.F32 ? element : type.decode(type.encode(element));
    }
}
