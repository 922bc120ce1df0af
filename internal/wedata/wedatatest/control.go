package wedatatest

import (
	"encoding/json"
	"net/http"
	"time"
)

// ControlPrefix begins the paths on which another process drives the server. Bodies and replies are JSON; a body with an
// unknown member is refused with 400, and what has nothing to reply is answered with 204.
//
//	GET  calls                  [Call, …]
//	GET  bindings?merchant=wx…  [Binding, …]
//	POST bind        {"merchant":"wx…","bound":["E1"],"administrators":["A1"],"unbound":["E0"]}
//	POST rotate      {"merchant":"wx…","token":"…"}: {"token":"…"}; without a token it makes one
//	POST expire      {"merchant":"wx…"}
//	POST grant       {"merchant":"wx…","granted":false}
//	POST fault       a Fault, with "latency_ms" for its Latency: {"times":2,"errcode":-1}
//	POST options     Options
//	POST reset       no body; the options stay
const ControlPrefix = "/_control/"

// control returns the handler of those paths.
func control(s *Server) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+ControlPrefix+"calls", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, append([]Call{}, s.Calls()...))
	})
	mux.HandleFunc("GET "+ControlPrefix+"bindings", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, append([]Binding{}, s.Bindings(r.FormValue("merchant"))...))
	})
	post(mux, "bind", func(b struct {
		Merchant                       string
		Bound, Administrators, Unbound []string
	},
	) any {
		for _, uid := range b.Bound {
			s.Bind(b.Merchant, Bound(uid))
		}
		for _, uid := range b.Administrators {
			s.Bind(b.Merchant, Administrator(uid))
		}
		for _, uid := range b.Unbound {
			s.Bind(b.Merchant, Unbound(uid))
		}
		return nil
	})
	post(mux, "rotate", func(b struct{ Merchant, Token string }) any {
		if b.Token == "" {
			b.Token = s.Rotate(b.Merchant)
		} else {
			s.SetToken(b.Merchant, b.Token)
		}
		return map[string]string{"token": b.Token}
	})
	post(mux, "expire", func(b struct{ Merchant string }) any {
		s.Expire(b.Merchant)
		return nil
	})
	post(mux, "grant", func(b struct {
		Merchant string
		Granted  bool
	},
	) any {
		s.Grant(b.Merchant, b.Granted)
		return nil
	})
	post(mux, "fault", func(b struct {
		Fault
		LatencyMS int `json:"latency_ms"`
	},
	) any {
		b.Latency = time.Duration(b.LatencyMS) * time.Millisecond
		s.Fail(b.Fault)
		return nil
	})
	post(mux, "options", func(o Options) any {
		s.SetOptions(o)
		return nil
	})
	mux.HandleFunc("POST "+ControlPrefix+"reset", func(w http.ResponseWriter, _ *http.Request) {
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

// post lets do answer what is posted to a name. Nil is nothing to reply.
func post[T any](mux *http.ServeMux, name string, do func(T) any) {
	mux.HandleFunc("POST "+ControlPrefix+name, func(w http.ResponseWriter, r *http.Request) {
		var body T
		decoder := json.NewDecoder(r.Body)
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		reply := do(body)
		if reply == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		writeJSON(w, http.StatusOK, reply)
	})
}
