package source

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"wedata-unbind/internal/secrets"
	"wedata-unbind/internal/strictjson"
)

// people has the uid of each HR id. The zero value is that of an entry without the member: the HR id is the uid.
type people struct {
	table     map[string]string
	secretIDs []string // the secrets with the tables, where the entry has no table
	path      string   // the path of the member in the sources' secret, for faults
}

// lookup returns the uid of an HR id, or false where no table has it. It errs where a table cannot be read.
type lookup func(id string) (uid string, known bool, err error)

// readPeople reads {"HR id":"uid"} or {"secret_ids":["…"]}. Faults show no member, since HR ids are personal data.
func readPeople(m *members) people {
	p := people{path: m.path + ".people"}
	value := m.take("people")
	if value == nil {
		return people{}
	}
	if inner, err := strictjson.ParseObject(value); err == nil && inner["secret_ids"].Kind() == '[' {
		ids := &members{path: p.path, raw: inner}
		p.secretIDs = ids.texts("secret_ids")
		if len(ids.raw) > 0 {
			ids.fault("secret_ids", "stands beside other members: move the people into one of these secrets")
		}
		m.faults = append(m.faults, ids.faults...)
		return p
	}
	var ok bool
	if p.table, ok = readTable(value); !ok {
		m.fault("people", wantTable)
	}
	return p
}

const wantTable = "not an object of HR ids to uids, or a uid is not a string or blank"

func readTable(value strictjson.Value) (table map[string]string, ok bool) {
	err := strictjson.Unmarshal(value, &table)
	blank := func(uid string) bool { return strings.TrimSpace(uid) == "" }
	return table, err == nil && table != nil && !slices.ContainsFunc(slices.Collect(maps.Values(table)), blank)
}

// table is one parsed version of a secret with people.
type table struct {
	version string
	people  map[string]string // nil where the version cannot be used
}

// finder returns the lookup in the secrets of an entry's people, or nil where the entry names no such secrets. The
// first lookup reads the secrets. They are read again when a person is not found; the cache of secrets limits how
// often.
func (reg *Registry) finder(ctx context.Context, e entry) lookup {
	if e.mapping == nil || e.mapping.people.secretIDs == nil {
		return nil
	}
	p := e.mapping.people
	var tables []map[string]string
	renewed := false
	return func(id string) (uid string, known bool, err error) {
		if tables == nil {
			if tables, err = reg.tables(ctx, p, false); err != nil {
				return "", false, err
			}
		}
		if uid, known = find(tables, id); known || renewed {
			return uid, known, nil
		}
		renewed = true
		if tables, err = reg.tables(ctx, p, true); err != nil {
			return "", false, err
		}
		uid, known = find(tables, id)
		return uid, known, nil
	}
}

// find is the lookup in an entry's own table. Without one, an HR id is the uid.
func (p people) find(id string) (uid string, known bool, err error) {
	if p.table == nil {
		return id, true, nil
	}
	uid, known = p.table[id]
	return uid, known, nil
}

func find(tables []map[string]string, id string) (string, bool) {
	for _, people := range tables {
		if uid, known := people[id]; known {
			return uid, true
		}
	}
	return "", false
}

// tables returns the people in each secret. It reads a secret again if renew is true, or if the cached version cannot
// be used: somebody may have corrected it.
func (reg *Registry) tables(ctx context.Context, p people, renew bool) ([]map[string]string, error) {
	list := make([]map[string]string, len(p.secretIDs))
	for i, id := range p.secretIDs {
		secret, err := reg.cfg.Secrets.Get(ctx, id)
		people, ok := map[string]string(nil), false
		if err == nil {
			people, ok = reg.table(secret)
		}
		if err == nil && (renew || !ok) {
			if secret, err = reg.cfg.Secrets.Renew(ctx, secret); err == nil {
				people, ok = reg.table(secret)
			}
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("source: read %s: %w", p.path, err)
		case !ok:
			return nil, faults(fmt.Sprintf("%s: the secret %s: %s", p.path, secrets.Name(id), wantTable))
		}
		list[i] = people
	}
	return list, nil
}

// table parses each version of a secret once.
func (reg *Registry) table(secret secrets.Secret) (map[string]string, bool) {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	t, known := reg.people[secret.ID]
	if !known || t.version != secret.Version {
		t = table{version: secret.Version}
		if people, ok := readTable(strictjson.Value(secret.Value)); ok {
			t.people = people
		}
		if reg.people == nil {
			reg.people = map[string]table{}
		}
		reg.people[secret.ID] = t
	}
	return t.people, t.people != nil
}
