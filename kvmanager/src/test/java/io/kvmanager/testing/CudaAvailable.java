package io.kvmanager.testing;

import io.kvmanager.spi.DeviceProvider;
import io.kvmanager.spi.ProviderSelection;
import io.kvmanager.spi.Usability;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Skips tests where no CUDA driver answers, neither a real nor the emulated one, and says why. Tests carry the tags
 * {@code emulation} and {@code gpu} beside, so that they run only where one is expected.
 */
public final class CudaAvailable implements ExecutionCondition {
    /** The device to test, as a user writes it. */
    public static final String DEVICE = "cuda:0";

    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
        for (DeviceProvider provider : ProviderSelection.devices()) {
            if (provider.name().equals("cuda")) {
                return switch (provider.probe()) {
                    case Usability.Usable usable -> ConditionEvaluationResult.enabled(usable.detail());
                    case Usability.Unusable unusable -> ConditionEvaluationResult.disabled(unusable.reason());
                };
            }
        }
        return ConditionEvaluationResult.disabled("no CUDA device provider on the class path");
    }
}
