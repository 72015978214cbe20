package io.kvmanager.inference.cli;

/** Text inside HTML and SVG. */
final class Html {
    private Html() {}

    /**
     * Text as content or attribute value: markup is escaped, and control characters, which no document may hold, become
     * U+FFFD.
     */
    static String escape(String text) {
        StringBuilder escaped = new StringBuilder(text.length() + 16);
        text.codePoints().forEach(c -> {
            switch (c) {
                case '&' -> escaped.append("&amp;");
                case '<' -> escaped.append("&lt;");
                case '>' -> escaped.append("&gt;");
                case '"' -> escaped.append("&quot;");
                case '\'' -> escaped.append("&#39;");
                default -> escaped.appendCodePoint(isAllowed(c) ? c : 0xfffd);
            }
        });
        return escaped.toString();
    }

    private static boolean isAllowed(int c) {
        boolean surrogate = c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE;
        return c >= ' ' ? !surrogate && c != 0x7f && (c & 0xfffe) != 0xfffe : c == '\n' || c == '\t';
    }
}
