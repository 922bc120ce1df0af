package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"wedata-unbind/internal/wedata/wedatatest"
)

// page writes for a terminal of 80 columns or more.
type page struct {
	w      io.Writer
	colour bool
	hidden string // the token: it is shown as ***
}

const width = 96

// newPage writes to f, in colour where f is a terminal that can show it and NO_COLOR (no-color.org) is not set.
func newPage(f *os.File) *page {
	info, err := f.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	return &page{w: f, colour: terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (p *page) heading(format string, args ...any) {
	fmt.Fprintln(p.w, "\n"+p.paint("1", p.hide(fmt.Sprintf(format, args...))))
}

func (p *page) good(text string) { fmt.Fprintln(p.w, p.paint("32", text)) }
func (p *page) bad(text string)  { fmt.Fprintln(p.w, p.paint("31", text)) }

// item writes text after a label. Further lines are indented as far as the first.
func (p *page) item(label, text string) {
	indent := "  " + label
	if label != "" {
		indent += " "
	}
	for i, line := range wrap(p.hide(text), width-columns(indent)) {
		if i > 0 {
			indent = strings.Repeat(" ", columns(indent))
		}
		fmt.Fprintln(p.w, strings.TrimRight(indent+line, " "))
	}
}

func (p *page) call(n int, c call) {
	label, request, arrow := fmt.Sprintf("%2d %-9s", n, c.service), short(c.request, 500), " → "
	if columns(label+request+arrow+c.result) > width-3 {
		arrow = "\n→ "
	}
	p.item(label, request+arrow+c.result)
}

func (p *page) bindings(title string, list []wedatatest.Binding) {
	p.heading("%s", title)
	var people []string
	for _, b := range list {
		text := b.UID + " bound"
		if !b.Bound {
			text = b.UID + " not bound"
		}
		if b.Administrator {
			text += " (administrator)"
		}
		people = append(people, text)
	}
	p.item(merchant+" ", strings.Join(people, ", "))
}

// log shows the outcomes in the function's log in short. It leaves out the error that Lambda's library logs, since the
// reply has it too, and shows any other line as it is.
func (p *page) log(text string) {
	if text == "" {
		return
	}
	p.heading("Log")
	for line := range strings.Lines(text) {
		var entry struct {
			Status, UID, Merchant, Trigger, Reason string
			Attempts                               int
			ErrorMessage                           *string
		}
		_ = json.Unmarshal([]byte(line), &entry) // a line that is not JSON is shown as it is
		switch {
		case entry.Status != "":
			facts := []string{entry.UID, entry.Merchant, count(entry.Attempts, "attempt"), "by " + entry.Trigger}
			facts = slices.DeleteFunc(facts, func(s string) bool { return s == "" })
			p.item(fmt.Sprintf("%-9s", entry.Status), strings.Join(facts, ", ")+"\n"+entry.Reason)
		case entry.ErrorMessage == nil && !strings.Contains(line, `{"errorMessage":`):
			p.item("", short(line, 1000))
		}
	}
}

func (p *page) paint(code, text string) string {
	if !p.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p *page) hide(text string) string {
	if p.hidden == "" {
		return text
	}
	return strings.ReplaceAll(text, p.hidden, "***")
}

// wrap breaks the text into lines of at most n columns, after the last blank, comma or brace of the second half.
func wrap(text string, n int) []string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		for columns(line) > n {
			end, after, used := 0, 0, 0
			for i, r := range line {
				if used += columns(string(r)); used > n {
					break
				}
				end = i + len(string(r))
				if strings.ContainsRune(" ,{", r) && used > n/2 {
					after = end
				}
			}
			if after > 0 {
				end = after
			}
			lines = append(lines, strings.TrimRight(line[:end], " "))
			line = line[end:]
		}
		lines = append(lines, line)
	}
	return lines
}

// columns is how wide a terminal shows the text. East Asian characters are two columns wide.
func columns(text string) int {
	n := 0
	for _, r := range text {
		n++
		if r >= 0x1100 {
			n++
		}
	}
	return n
}

// short cuts the text after most characters.
func short(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + fmt.Sprintf("… (%d bytes in all)", len(text))
	}
	return text
}
