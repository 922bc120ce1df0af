// Command bench measures functions from outside: as Lambda drives them, with WeChat and AWS at their distances. It
// compares the least that a function can be (echo), the one that one writes in an afternoon (obvious), and this one,
// with and without verification. Any other that takes the same environment and events can be added with -bin.
//
// Runs are interleaved, so that other work on the machine slows all of them alike. Ratios within one run of the
// bench can be compared; figures of two runs or machines cannot.
package main

import (
	"archive/zip"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// The contenders that are always there.
const (
	echoes   = "echo"
	obvious  = "obvious"
	verified = "unbind"
	trusting = "unbind, no verify"
)

func main() {
	var o options
	flag.IntVar(&o.Cold, "cold", 15, "cold starts of each function in each network")
	flag.IntVar(&o.Warm, "warm", 100, "warm events of each function in each network")
	flag.IntVar(&o.Batches, "batches", 5, "events of many departures of each function")
	flag.IntVar(&o.Many, "many", 100_000, "events in the long run")
	flag.DurationVar(&o.Freeze, "freeze", freezeTime, "how long a frozen function stays frozen")
	flag.Float64Var(&o.Quantile, "quantile", 0.5, "the quantile that is shown and compared; on a machine with other work, "+
		"0.25 is nearer to what the functions themselves take")
	flag.StringVar(&o.Only, "only", "", "take only the steps with this in their `name`: single, freeze, batch, "+
		"everywhere, webhook, crowd, long, and the network, such as \"single, 50 ms TLS\"")
	out := flag.String("out", ".build/bench.json", "the `file` that gets all figures as JSON")
	bins := flag.String("bin", "", "functions to add, as `name=path` with spaces between them")
	flag.Parse()
	if err := measure(o, *bins, *out, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// measure builds the functions, runs everything, prints the report, and writes the file.
func measure(o options, bins, out string, to io.Writer) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	contenders, err := build(dir, bins)
	if err != nil {
		return err
	}
	r := &report{Machine: machine(), Options: o, to: to}
	b := &bench{options: o, dir: dir, contenders: contenders, report: r}
	for _, c := range contenders {
		if err := b.size(c); err != nil {
			return err
		}
	}
	if err := b.all(); err != nil {
		return err
	}
	r.print(contenders)
	return r.write(out)
}

func machine() string {
	return fmt.Sprintf("%s/%s, %d processors, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
}

// build builds the functions as make build does, and adds those of bins. The tag that leaves out HTTP/2 is this one's:
// who writes the obvious one does not know it.
func build(dir, bins string) ([]contender, error) {
	for _, program := range []struct{ name, pkg, tags string }{
		{echoes, "bench/echo", "lambda.norpc"},
		{obvious, "bench/obvious", "lambda.norpc"},
		{verified, "functions/unbind", "lambda.norpc,nethttpomithttp2"},
	} {
		cmd := exec.CommandContext(context.Background(), "go", "build", "-trimpath", "-buildvcs=false", "-tags", program.tags,
			"-ldflags", "-s -w", "-o", filepath.Join(dir, program.name), "wedata-unbind/"+program.pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if text, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go build %s: %w\n%s", program.pkg, err, text)
		}
	}
	contenders := []contender{
		{echoes, filepath.Join(dir, echoes), nil},
		{obvious, filepath.Join(dir, obvious), nil},
		{verified, filepath.Join(dir, verified), nil},
		{trusting, filepath.Join(dir, verified), map[string]string{"WEDATA_VERIFY": "false"}},
	}
	for _, field := range strings.Fields(bins) {
		name, path, ok := strings.Cut(field, "=")
		if !ok || slices.ContainsFunc(contenders, func(c contender) bool { return c.name == name }) {
			return nil, fmt.Errorf("-bin %s: wanted name=path, with a name of its own", field)
		}
		contenders = append(contenders, contender{name, path, nil})
	}
	return contenders, nil
}

// size measures the binary, and the zip that Lambda would get.
func (b *bench) size(c contender) error {
	binary, err := os.ReadFile(c.path)
	if err != nil {
		return err
	}
	var packed counter
	archive := zip.NewWriter(&packed)
	file, err := archive.Create("bootstrap")
	if err == nil {
		_, err = file.Write(binary)
	}
	if err == nil {
		err = archive.Close()
	}
	const mb = 1e6
	b.report.add(figure{Scenario: "size", Function: c.name, Metric: "binary", Unit: "MB"}, float64(len(binary))/mb)
	b.report.add(figure{Scenario: "size", Function: c.name, Metric: "zip", Unit: "MB"}, float64(packed)/mb)
	return err
}

type counter int

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

// write writes all figures and bounds as JSON.
func (r *report) write(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	fmt.Fprintf(r.to, "\nAll figures: %s\n", file)
	return os.WriteFile(file, append(text, '\n'), 0o600)
}
