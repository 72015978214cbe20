package io.kvmanager.testing;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ValueSelection;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;

/** The choice of value tiles as one would explain it: sort by score, take from the front. */
final class TileOracle {
    private final CacheGeometry geometry;
    private final ValueSelection selection;

    TileOracle(CacheGeometry geometry, ValueSelection selection) {
        this.geometry = geometry;
        this.selection = selection;
    }

    /**
     * Logical blocks whose tiles one KV head fetches or finds.
     *
     * @param mass {@code [queryHeads][blocks]}
     * @param resident {@code [blocks]}
     */
    SortedSet<Integer> chosen(int kvHead, double[][] mass, boolean[] resident) {
        List<Integer> offloaded = new ArrayList<>();
        double covered = 0;
        for (int block = 0; block < resident.length; block++) {
            if (resident[block]) {
                covered += score(kvHead, mass, block);
            } else if (score(kvHead, mass, block) > 0) {
                offloaded.add(block);
            }
        }
        Comparator<Integer> byScore = Comparator.comparingDouble(block -> -score(kvHead, mass, block));
        offloaded.sort(byScore.thenComparing(Comparator.naturalOrder()));
        SortedSet<Integer> chosen = new TreeSet<>();
        for (int block : offloaded) {
            if (chosen.size() == selection.maxTiles() || isCovered(covered)) {
                break;
            }
            chosen.add(block);
            covered += score(kvHead, mass, block);
        }
        return chosen;
    }

    private boolean isCovered(double groupMass) {
        return selection instanceof ValueSelection.Nucleus nucleus
                && groupMass >= nucleus.mass() * geometry.groupSize();
    }

    private double score(int kvHead, double[][] mass, int block) {
        double score = 0;
        for (int member = 0; member < geometry.groupSize(); member++) {
            score += mass[kvHead * geometry.groupSize() + member][block];
        }
        return score;
    }
}
