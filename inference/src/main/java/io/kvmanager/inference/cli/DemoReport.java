package io.kvmanager.inference.cli;

import io.kvmanager.CacheName;
import io.kvmanager.inference.model.Model;
import java.util.Map;

final class DemoReport {
    static String html(Model m, DemoStory s, String p, Map<CacheName, DemoRun> r) {
        return "x";
    }
}
