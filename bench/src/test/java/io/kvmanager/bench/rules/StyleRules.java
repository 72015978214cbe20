package io.kvmanager.bench.rules;

import com.sun.source.tree.CatchTree;
import com.sun.source.tree.ClassTree;
import com.sun.source.tree.MemberSelectTree;
import com.sun.source.tree.MethodTree;
import com.sun.source.tree.Tree;
import com.sun.source.tree.UnionTypeTree;
import com.sun.source.util.TreeScanner;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/** The style rules that one source can break on its own. */
final class StyleRules {
    static final int FILE_LINES = 400;
    static final int METHOD_LINES = 80;
    static final int LINE_COLUMNS = 120;

    private static final Pattern EMPTY_NAME =
            Pattern.compile(".*(Util|Utils|Helper|Common|Manager|Impl|Base|Info|Data)");
    private static final Set<String> THROWABLE = Set.of("Throwable", "java.lang.Throwable");
    private static final Set<String> SYSTEM_OUT = Set.of("System.out", "java.lang.System.out");
    private static final Set<String> LIBRARIES = Set.of("kvmanager", "paging", "offload", "kernels");

    private StyleRules() {}

    /** Each finding as {@code path:line: what is wrong}; empty for a source that keeps the rules. */
    static List<String> findings(JavaSource source) {
        List<String> findings = new ArrayList<>();
        List<String> lines = source.lines();
        if (lines.size() > FILE_LINES) {
            findings.add(finding(source, FILE_LINES + 1, lines.size() + " lines, at most " + FILE_LINES));
        }
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i);
            int columns = line.codePointCount(0, line.length());
            if (columns > LINE_COLUMNS) {
                findings.add(finding(source, i + 1, columns + " columns, at most " + LINE_COLUMNS));
            }
            if (line.indexOf('\t') >= 0) {
                findings.add(finding(source, i + 1, "a tab"));
            }
        }
        new SyntaxRules(source, findings).scan(source.tree(), null);
        return findings;
    }

    private static String finding(JavaSource source, long line, String message) {
        return source.path() + ":" + line + ": " + message;
    }

    /** The rules that need to know code from comments and strings. */
    private static final class SyntaxRules extends TreeScanner<Void, Void> {
        private final JavaSource source;
        private final List<String> findings;

        SyntaxRules(JavaSource source, List<String> findings) {
            this.source = source;
            this.findings = findings;
        }

        @Override
        public Void visitClass(ClassTree type, Void unused) {
            String name = type.getSimpleName().toString();
            if (EMPTY_NAME.matcher(name).matches()) {
                add(type, "the name " + name + " does not say what the type is for");
            }
            return super.visitClass(type, null);
        }

        @Override
        public Void visitMethod(MethodTree method, Void unused) {
            long lines = source.lastLine(method) - source.firstLine(method) + 1;
            if (lines > METHOD_LINES) {
                add(method, method.getName() + " has " + lines + " lines, at most " + METHOD_LINES);
            }
            return super.visitMethod(method, null);
        }

        @Override
        public Void visitCatch(CatchTree clause, Void unused) {
            Tree caught = clause.getParameter().getType();
            List<? extends Tree> types =
                    caught instanceof UnionTypeTree union ? union.getTypeAlternatives() : List.of(caught);
            if (types.stream().anyMatch(type -> THROWABLE.contains(type.toString()))) {
                add(clause, "catches Throwable");
            }
            return super.visitCatch(clause, null);
        }

        @Override
        public Void visitMemberSelect(MemberSelectTree select, Void unused) {
            boolean library = source.isMain() && LIBRARIES.contains(source.module());
            if (library && SYSTEM_OUT.contains(select.toString())) {
                add(select, "a library writes to System.out");
            }
            return super.visitMemberSelect(select, null);
        }

        private void add(Tree where, String message) {
            findings.add(finding(source, source.firstLine(where), message));
        }
    }
}
