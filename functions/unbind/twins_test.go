package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// twins are the documents that there are in English and in Chinese.
var twins = []string{"README", "docs/operations", "docs/hr-systems"}

// What a reader of one language must not miss: headings, commands, examples, names and links are the same in both.
func TestTheChineseDocumentsSayWhatTheEnglishOnesSay(t *testing.T) {
	root := filepath.Join("..", "..")
	for _, name := range twins {
		t.Run(name, func(t *testing.T) {
			english, chinese := read(t, filepath.Join(root, name+".md")), read(t, filepath.Join(root, name+".zh-CN.md"))
			base := filepath.Base(name)
			if !linksInFirstLines(english, base+".zh-CN.md") || !linksInFirstLines(chinese, base+".md") {
				t.Error("the first five lines of each do not link to the other")
			}
			compare(t, "heading", headings(english), headings(chinese))
			compare(t, "block of code", blocks(english), blocks(chinese))
			compare(t, "table", tables(english), tables(chinese))
			compare(t, "name in code type", unique(codeSpans(english)), unique(codeSpans(chinese)))
			compare(t, "link", links(english), links(chinese))
		})
	}
}

// compare reports what is in one document alone, or where the order differs.
func compare(t *testing.T, what string, english, chinese []string) {
	t.Helper()
	count := map[string]int{}
	for _, item := range english {
		count[item]++
	}
	for _, item := range chinese {
		count[item]--
	}
	differs := false
	for _, item := range slices.Sorted(maps.Keys(count)) {
		switch n := count[item]; {
		case n > 0:
			t.Errorf("%s: %d in the English document alone: %s", what, n, item)
		case n < 0:
			t.Errorf("%s: %d in the Chinese document alone: %s", what, -n, item)
		}
		differs = differs || count[item] != 0
	}
	for i, item := range english {
		if !differs && item != chinese[i] {
			t.Errorf("%s %d in English is %s, and in Chinese %s", what, i+1, item, chinese[i])
			return
		}
	}
}

func linksInFirstLines(text, target string) bool {
	lines := strings.SplitN(text, "\n", 6)
	return strings.Contains(strings.Join(lines[:min(5, len(lines))], "\n"), "]("+target+")")
}

var codeBlock = regexp.MustCompile("(?ms)^ *```([a-z]*)\n(.*?)^ *```$")

// headings returns the level of each heading.
func headings(text string) (levels []string) {
	text = codeBlock.ReplaceAllString(text, "")
	for _, match := range regexp.MustCompile(`(?m)^(#+) `).FindAllStringSubmatch(text, -1) {
		levels = append(levels, match[1])
	}
	return levels
}

// blocks returns each block of code, without what may be translated: comments of commands, labels of a diagram, and the
// words of a picture or formula.
func blocks(text string) (found []string) {
	for _, match := range codeBlock.FindAllStringSubmatch(text, -1) {
		language, code := match[1], match[2]
		switch {
		case language == "sh":
			code = regexp.MustCompile(`(?m)^ *#.*\n|\s+# .*$`).ReplaceAllString(code, "")
		case language == "mermaid":
			code = regexp.MustCompile(`\[[^\]]*\]|\|[^|]*\|`).ReplaceAllString(code, "")
		case language == "" && strings.ContainsAny(code, "▶×"):
			code = fmt.Sprintf("%d lines", strings.Count(code, "\n"))
		}
		found = append(found, language+"\n"+code)
	}
	return found
}

// tables returns the shape of each table: the columns, and what stands in code type in the first one, row by row.
func tables(text string) (found []string) {
	text = codeBlock.ReplaceAllString(text, "")
	for _, match := range regexp.MustCompile(`(?m)(?:^ *\|.*\n)+`).FindAllString(text, -1) {
		var rows []string
		for line := range strings.Lines(match) {
			rows = append(rows, fmt.Sprint(strings.Count(line, "|"), firstColumn(line)))
		}
		found = append(found, strings.Join(rows, "; "))
	}
	return found
}

// codeSpans returns what stands in code type outside of blocks: commands, parameters, variables, statuses, alarms.
func codeSpans(text string) (found []string) {
	for _, match := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
		found = append(found, match[1])
	}
	return found
}

// links returns where the links lead. In a document that has a twin, headings are in its language, and
// TestLinksReachTheirHeadings follows them.
func links(text string) (found []string) {
	for _, match := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
		page, anchor, _ := strings.Cut(match[1], "#")
		twin := strings.Replace(page, ".zh-CN.md", ".md", 1)
		hasTwin := slices.ContainsFunc(twins, func(name string) bool { return filepath.Base(name)+".md" == filepath.Base(twin) })
		switch {
		case page == "":
			found = append(found, "#")
		case hasTwin && !strings.Contains(page, "://"):
			found = append(found, twin)
		case anchor != "":
			found = append(found, page+"#"+anchor)
		default:
			found = append(found, page)
		}
	}
	slices.Sort(found)
	return found
}

func unique(items []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(items)))
}
