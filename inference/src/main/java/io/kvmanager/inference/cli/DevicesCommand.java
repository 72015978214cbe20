package io.kvmanager.inference.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvmanager.KvCacheException;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.DeviceProvider;
import io.kvmanager.spi.ProviderSelection;
import io.kvmanager.spi.Usability;
import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code kv devices}: what is usable here, and why the rest is not. */
@Command(name = "devices", description = "Lists what is usable here, and why the rest is not.")
final class DevicesCommand implements Callable<Integer> {
    private final Console console;

    @Mixin
    private final JsonOption json = new JsonOption();

    DevicesCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        json.check();
        String chosen = chosen();
        ObjectNode root = Json.envelope("devices", chosen, null);
        ArrayNode runs = (ArrayNode) root.get("runs");
        TextTable table = new TextTable("device", "usable", "what").left(1).left(2);
        boolean first = true;
        for (DeviceProvider provider : ProviderSelection.devices()) {
            ObjectNode node = runs.addObject().put("name", provider.name()).put("priority", provider.priority());
            switch (provider.probe()) {
                case Usability.Usable usable -> {
                    String kernels = first ? chosen : usable.detail();
                    table.row(provider.name(), "yes", kernels + (first ? " (auto)" : ""));
                    node.put("usable", true).put("detail", kernels).put("chosen", first);
                    first = false;
                }
                case Usability.Unusable unusable -> {
                    table.row(provider.name(), "no", unusable.reason());
                    node.put("usable", false).put("reason", unusable.reason()).put("chosen", false);
                }
            }
        }
        table.print(console, "");
        json.write(root);
        return 0;
    }

    /** The device that {@code auto} opens, in its own words. */
    private static String chosen() {
        try (Device device = ProviderSelection.device(ProviderSelection.AUTO)) {
            return device.description();
        } catch (KvCacheException.ProviderUnusable e) {
            return "none";
        }
    }
}
