package lambdatest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestInMemoryTakesVirtualTimeOnly(t *testing.T) {
	var ended error // of the request's context, as the slow handler saw it
	synctest.Test(t, func(t *testing.T) {
		client, url := InMemory(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body) // without it the server would not notice that the client has left
			select {
			case <-time.After(10 * time.Second):
				w.Write(body)
			case <-r.Context().Done():
				ended = r.Context().Err()
			}
		}))
		begin := time.Now()
		reply, err := client.Post(url+"/echo", "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(reply.Body)
		reply.Body.Close()
		if took := time.Since(begin); string(body) != "hello" || err != nil || took != 10*time.Second {
			t.Errorf("got %q, %v after %v", body, err, took)
		}

		impatient := *client
		impatient.Timeout = 3 * time.Second
		begin = time.Now()
		_, err = impatient.Get(url)
		if took := time.Since(begin); !os.IsTimeout(err) || took != 3*time.Second {
			t.Errorf("a client that waits 3 s: %v after %v", err, took)
		}
	})
	// synctest.Test has returned, so every goroutine of the server and of the client has ended.
	if !errors.Is(ended, context.Canceled) {
		t.Errorf("the handler's context ended with %v", ended)
	}
}
