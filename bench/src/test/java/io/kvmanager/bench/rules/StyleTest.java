package io.kvmanager.bench.rules;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The tree keeps the style rules, and each rule notices the source that breaks it. */
final class StyleTest {
    private static final Path LIBRARY = Path.of("paging/src/main/java/io/kvmanager/paging/Planted.java");

    @Test
    void everySourceKeepsTheRules() throws IOException {
        List<JavaSource> sources = JavaSource.read(SourceTree.javaFiles());
        assertTrue(sources.stream().anyMatch(source -> source.path().endsWith("StyleTest.java")), "finds itself");
        report(sources.stream().flatMap(source -> StyleRules.findings(source).stream()));
    }

    @Test
    void everyMainPackageIsDescribed() throws IOException {
        report(SourceTree.javaFiles().stream()
                .filter(file -> file.toString().contains("/src/main/java/"))
                .map(Path::getParent)
                .distinct()
                .filter(folder -> !Files.exists(folder.resolve("package-info.java")))
                .map(folder -> SourceTree.root().relativize(folder) + ": no package-info.java"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("plantedSources")
    void aPlantedViolationIsNoticed(String expected, String text) throws IOException {
        List<String> findings = StyleRules.findings(JavaSource.of(LIBRARY, text));
        assertEquals(List.of(LIBRARY + ":" + expected), findings);
    }

    static Stream<Arguments> plantedSources() {
        String manyLines = "int x;\n".repeat(StyleRules.METHOD_LINES - 1);
        return Stream.of(
                Arguments.of("401: 401 lines, at most 400", "\n".repeat(400) + "final class A {}"),
                Arguments.of("2: 121 columns, at most 120", "final class A {}\n//" + "x".repeat(119)),
                Arguments.of("1: a tab", "final class A {\t}"),
                named("BlockUtil"),
                named("StringUtils"),
                named("TestHelper"),
                named("Common"),
                named("CacheManager"),
                named("PoolImpl"),
                named("StoreBase"),
                named("BlockInfo"),
                named("BlockData"),
                Arguments.of("2: m has 81 lines, at most 80", "final class A {\nvoid m() {\n" + manyLines + "}\n}"),
                Arguments.of(
                        "2: catches Throwable", "final class A { void m() { try { m(); }\ncatch (Throwable t) {} } }"),
                Arguments.of(
                        "1: catches Throwable",
                        "final class A { void m() { try { m(); } catch (java.lang.Throwable t) {} } }"),
                Arguments.of(
                        "1: a library writes to System.out", "final class A { void m() { System.out.println(); } }"));
    }

    private static Arguments named(String name) {
        return Arguments.of(
                "1: the name " + name + " does not say what the type is for",
                "final class A { record " + name + "() {} }");
    }

    @Test
    void whatOnlyLooksLikeAViolationPasses() throws IOException {
        String text = """
            /** Not a class Helper, and catch (Throwable t) in a comment. */
            final class Metadata {
                String s = "catch (Throwable t) System.out";
            }
            """;
        assertEquals(List.of(), StyleRules.findings(JavaSource.of(LIBRARY, text)));
        String prints = "final class A { void m() { System.out.println(); } }";
        Path tool = Path.of("inference/src/main/java/io/kvmanager/inference/A.java");
        assertEquals(List.of(), StyleRules.findings(JavaSource.of(tool, prints)));
    }

    private static void report(Stream<String> findings) {
        List<String> all = findings.sorted().toList();
        if (!all.isEmpty()) {
            fail(all.size() + " findings:\n" + String.join("\n", all));
        }
    }
}
