package source

import (
	"context"
	"net/http"

	"wedata-unbind/internal/departure"
)

type Registry struct{ *Book }

func NewRegistry(c Config) *Registry { return &Registry{New(c)} }
func (b *Registry) Receive(ctx context.Context, name string, r *http.Request, body []byte, envelope departure.Meta) (Delivery, error) {
	return b.Book.Receive(ctx, name, Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(), Header: r.Header, Body: body}, envelope)
}
