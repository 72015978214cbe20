package io.kvmanager.inference.evaluation;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class ShareChooserTest {
    private static final MassTable TABLE = new MassTable(
            List.of(.1, .5, 1.),
            List.of(List.of(.02, .01, 0.), List.of(.30, .08, 0.), List.of(.30, .20, 0.), List.of(.04, .03, 0.)));

    @Test
    void takesTheSmallestSharesWithinTheToleranceAndThenWhatTheTrialAllows() {
        // Layer 1 may go down to half: twice the tolerance at most; layer 2 may not
        assertEquals(List.of(.1, .5, 1., .1), new ShareChooser(TABLE, .05, shares -> true).choose());
        assertEquals(List.of(.1, 1., 1., .1), new ShareChooser(TABLE, .05, shares -> shares.get(1) == 1).choose());
    }

    @Test
    void raisesTheLayersThatMissMostUntilTheTrialHolds() {
        List<List<Double>> tried = new ArrayList<>();
        List<Double> chosen = new ShareChooser(TABLE, .5, shares -> {
                    tried.add(shares);
                    return shares.get(1) + shares.get(2) >= 1;
                })
                .choose();
        assertEquals(List.of(.1, .1, .1, .1), tried.getFirst());
        assertEquals(List.of(.1, .5, .5, .1), chosen);
    }

    @Test
    void aTrialThatNeverHoldsKeepsEverything() {
        assertEquals(List.of(1., 1., 1., 1.), new ShareChooser(TABLE, .5, shares -> false).choose());
    }
}
