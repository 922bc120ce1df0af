package lambdatest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// Config says which function to start, and how.
type Config struct {
	// Path is the built binary, which Lambda calls bootstrap.
	Path string
	// Env is the function's environment. Only it, what Lambda itself sets, and PATH are seen by the function; nothing of
	// this process's own environment, so no credentials or settings of a developer get in.
	Env map[string]string
	// Timeout is the time one invocation may take, 10 s if zero.
	Timeout time.Duration
}

// Function is a built function as a process of its own, as Lambda runs it: one event at a time, and after the process has
// ended (a panic, a timeout) the next event starts a fresh one.
type Function struct {
	config Config
	log    *os.File

	mu      sync.Mutex
	current *environment
	starts  int
	final   string // the log, once closed
}

// environment is one life of the process.
type environment struct {
	runtime *Runtime
	server  *Server
	process *os.Process
	over    chan struct{} // closed when the process has ended and runtime knows why
}

// ExitError says that the function's process has ended without a reply.
type ExitError struct {
	// Err is how it ended: an [*exec.ExitError], or nil for the exit status 0.
	Err error
	// Log is the end of what it had written.
	Log string
}

func (e *ExitError) Error() string {
	how := "exit status 0"
	if e.Err != nil {
		how = e.Err.Error()
	}
	return fmt.Sprintf("lambdatest: the function's process ended (%s); the end of its log:\n%s", how, e.Log)
}

func (e *ExitError) Unwrap() error { return e.Err }

// Start starts the function. It errs where the binary cannot be run; a function that gives up by itself is noticed by the
// first Invoke.
func Start(config Config) (*Function, error) {
	path, err := filepath.Abs(config.Path) // never one of the same name in PATH
	if err != nil {
		return nil, fmt.Errorf("lambdatest: path of the function: %w", err)
	}
	config.Path = path
	// A file, not a pipe: what the function wrote before its reply can be read as soon as the reply is there.
	log, err := os.CreateTemp("", "lambdatest-*.log")
	if err != nil {
		return nil, fmt.Errorf("lambdatest: log file: %w", err)
	}
	f := &Function{config: config, log: log}
	if f.current, err = f.start(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Invoke hands the event to the function and returns its reply, see [Runtime.Invoke].
func (f *Function) Invoke(ctx context.Context, event []byte) (Reply, error) {
	return f.InvokeWithin(ctx, event, cmp.Or(f.config.Timeout, defaultTimeout))
}

// InvokeWithin is Invoke with a timeout of its own. A function that exceeds it is killed, as Lambda does.
func (f *Function) InvokeWithin(ctx context.Context, event []byte, timeout time.Duration) (Reply, error) {
	for {
		env, err := f.environment()
		if err != nil {
			return Reply{}, err
		}
		reply, taken, err := env.runtime.invoke(ctx, event, timeout)
		if reply.ErrorType == errorTimeout {
			env.kill()
		}
		// A process that was just about to end, say after a panic, leaves the event to the next one. A process that never
		// came for any event would do so again.
		if exit := (*ExitError)(nil); !taken && env.runtime.hasServed() && errors.As(err, &exit) {
			<-env.over
			continue
		}
		return reply, err
	}
}

// Starts returns how many processes there have been: 1 unless one has ended.
func (f *Function) Starts() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.starts
}

// Log returns all that the function has written to its standard output and error.
func (f *Function) Log() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.log == nil {
		return f.final
	}
	return readLog(f.log)
}

// Close kills the process and frees what belongs to it. Log can still be called.
func (f *Function) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.log == nil {
		return nil
	}
	if f.current != nil {
		f.current.kill()
	}
	f.final = readLog(f.log)
	err := errors.Join(f.log.Close(), os.Remove(f.log.Name()))
	f.log = nil
	return err
}

// environment returns the living one, or starts it.
func (f *Function) environment() (*environment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.log == nil {
		return nil, errors.New("lambdatest: the function is closed")
	}
	select {
	case <-f.current.over:
		env, err := f.start()
		if err != nil {
			return nil, err
		}
		f.current = env
	default:
	}
	return f.current, nil
}

func (f *Function) start() (*environment, error) {
	runtime := NewRuntime()
	server, err := Serve("127.0.0.1:0", runtime)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(f.config.Path)
	cmd.Stdout, cmd.Stderr = f.log, f.log
	cmd.Env = f.environ(server.Addr)
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("lambdatest: start the function: %w", err), server.Close())
	}
	f.starts++
	env := &environment{runtime: runtime, server: server, process: cmd.Process, over: make(chan struct{})}
	log := f.log
	go func() {
		defer close(env.over)
		err := cmd.Wait()
		runtime.end(&ExitError{Err: err, Log: tail(readLog(log))})
		server.Close()
	}()
	return env, nil
}

// environ is what Lambda sets for a function of its own accord, then what the config says.
func (f *Function) environ(api string) []string {
	vars := map[string]string{
		"AWS_LAMBDA_RUNTIME_API":          api,
		"AWS_LAMBDA_FUNCTION_NAME":        "unbind",
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
		"AWS_REGION":                      Region,
		"AWS_DEFAULT_REGION":              Region,
		"AWS_ACCESS_KEY_ID":               "stand-in",
		"AWS_SECRET_ACCESS_KEY":           "stand-in",
		"AWS_EC2_METADATA_DISABLED":       "true",
		"TZ":                              ":UTC",
		"PATH":                            os.Getenv("PATH"),
	}
	if root := os.Getenv("SystemRoot"); root != "" {
		vars["SystemRoot"] = root // no sockets without it on Windows
	}
	for name, value := range f.config.Env {
		vars[name] = value
	}
	list := make([]string, 0, len(vars))
	for name, value := range vars {
		list = append(list, name+"="+value)
	}
	return list
}

// kill ends the process and waits until it is gone.
func (e *environment) kill() {
	e.process.Kill() // it errs only where the process is gone already
	<-e.over
}

func readLog(log *os.File) string {
	text, err := os.ReadFile(log.Name())
	if err != nil {
		return "(log unreadable: " + err.Error() + ")"
	}
	return string(text)
}

func tail(text string) string {
	const most = 4000
	if len(text) > most {
		return "…" + text[len(text)-most:]
	}
	return text
}
