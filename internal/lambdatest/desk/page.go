package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// page writes for a terminal of 80 columns or more.
type page struct {
	w      io.Writer
	colour bool
	hidden []string // what is shown as ***
}

const width = 96

// newPage writes to f, in colour where that is a terminal and nothing speaks against it (no-color.org).
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

// item writes text behind a label, further lines below its beginning.
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

func (p *page) paint(code, text string) string {
	if !p.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p *page) hide(text string) string {
	for _, secret := range p.hidden {
		text = strings.ReplaceAll(text, secret, "***")
	}
	return text
}

// wrap breaks the text into lines of at most n columns, behind a blank, a comma or a brace where there is one in the second half.
func wrap(text string, n int) []string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		for columns(line) > n {
			cut, breakable, used := 0, 0, 0
			for i, r := range line {
				if used += columns(string(r)); used > n {
					break
				}
				cut = i + len(string(r))
				if strings.ContainsRune(" ,{", r) && used > n/2 {
					breakable = cut
				}
			}
			if breakable > 0 {
				cut = breakable
			}
			lines = append(lines, strings.TrimRight(line[:cut], " "))
			line = line[cut:]
		}
		lines = append(lines, line)
	}
	return lines
}

// columns is how wide a terminal shows the text: East Asian characters take two.
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

// short cuts a text that would fill the page.
func short(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + fmt.Sprintf("… (%d bytes in all)", len(text))
	}
	return text
}
