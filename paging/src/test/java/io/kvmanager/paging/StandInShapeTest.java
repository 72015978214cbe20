package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Compensation;
import io.kvmanager.ElementType;
import io.kvmanager.PlacementPolicy;
import io.kvmanager.ValueSelection;
import org.junit.jupiter.api.Test;

/** Which blocks stand in for how many. {@link LayerShapeTest} counts them. */
class StandInShapeTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(1, 2, 2, 8, 16, ElementType.BF16);

    private static StandInShape of(Compensation compensation) {
        return StandInShape.of(
                GEOMETRY, new PlacementPolicy.Offloaded(new ValueSelection.TopN(1), compensation, 0, 0, 0, 8));
    }

    @Test
    void aBlockHoldsAMeanASlotAndARangeInTwo() {
        assertEquals(new StandInShape(16, 0), of(Compensation.MEAN));
        assertEquals(new StandInShape(8, 2), of(Compensation.INT8), "a byte for two of an element");
        assertEquals(new StandInShape(8, 4), of(Compensation.INT4));
        assertTrue(of(Compensation.MEAN).any());
    }

    @Test
    void nothingStandsInWhereNothingIsMissingOrTheRestIsIgnored() {
        assertEquals(StandInShape.NONE, StandInShape.of(GEOMETRY, new PlacementPolicy.Resident()));
        assertEquals(StandInShape.NONE, of(Compensation.NONE));
        assertEquals(StandInShape.NONE, of(Compensation.RENORMALISE));
        assertFalse(StandInShape.NONE.any());
        assertEquals(0, StandInShape.NONE.blocks(9, 1));
    }
}
