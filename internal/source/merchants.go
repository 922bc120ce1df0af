package source

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tidwall/gjson"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/strictjson"
)

// merchants are the merchants that an entry's events may name. An event that names none is for these.
type merchants struct {
	given bool // false for an entry without the member, which allows all
	// list is empty for "*", which allows all, and where the merchants depend on the tenant.
	list []string
	// path is the path of the tenant in an event, and tenants has the merchants of each tenant. Path is "" where one
	// list is for all.
	path    string
	tenants map[string][]string
}

// readMerchants reads a list of appids, ["*"], or {"path":"…","of":{"value":["wx…"]}}.
func readMerchants(m *members) merchants {
	given := merchants{given: m.raw.Has("merchants")}
	switch {
	case !given.given:
	case m.raw["merchants"].Kind() == '{':
		given.path, given.tenants = readTenants(m)
	default:
		given.list = departure.Unique(m.texts("merchants"))
		for i, merchant := range given.list {
			if merchant == "*" && len(given.list) > 1 {
				m.fault("merchants", `"*" means all: name no other beside it`)
			} else if merchant != "*" && !departure.IsAppID(merchant) {
				m.fault(at("merchants", i), notAppID)
			}
		}
		if slices.Contains(given.list, "*") {
			given.list = nil
		}
	}
	return given
}

const notAppID = "is not an appid such as wx0123456789abcdef"

// readTenants reads the object with path and of. Its faults do not show the names of tenants.
func readTenants(m *members) (path string, tenants map[string][]string) {
	raw, err := strictjson.ParseObject(m.take("merchants"))
	if err != nil || raw.Only("path", "of") != nil || !raw.Has("path", "of") {
		m.fault("merchants", `neither a list of appids nor {"path":"…","of":{"value":["wx…"]}}`)
		return "", nil
	}
	inner := &members{path: m.path + ".merchants", raw: raw}
	path = inner.text("path")
	inner.checkPath("path", path)
	of, err := strictjson.ParseObject(inner.take("of"))
	if err != nil || len(of) == 0 {
		inner.fault("of", "not an object of the values at the path to lists of appids")
	}
	tenants = map[string][]string{}
	for tenant, value := range of {
		one := &members{raw: strictjson.Object{"of": value}}
		tenants[tenant] = departure.Unique(one.texts("of"))
		notOne := func(merchant string) bool { return !departure.IsAppID(merchant) }
		if len(one.faults) > 0 || slices.ContainsFunc(tenants[tenant], notOne) {
			inner.fault("of", "has something else than a list of appids such as wx0123456789abcdef")
		}
	}
	m.faults = append(m.faults, inner.faults...)
	return path, tenants
}

// of returns the merchants that an event may name: those of its tenant, or the entry's list. None means all.
func (ms merchants) of(item gjson.Result) ([]string, error) {
	if ms.path == "" {
		return ms.list, nil
	}
	tenant := text(item.Get(ms.path))
	list, known := ms.tenants[tenant]
	switch {
	case tenant == "":
		return nil, fmt.Errorf("merchants: nothing at %s, by which this source tells its tenants apart", ms.path)
	case !known:
		return nil, fmt.Errorf("merchants: the value at %s is not listed in of: add it", ms.path)
	}
	return list, nil
}

// limit refuses an event that names a merchant which is not allowed; no allowed merchants mean all. An event that
// names no merchant gets the allowed ones, or the only one that there is.
func limit(event departure.Event, allowed, only []string) departure.Event {
	if len(event.Merchants) == 0 {
		event.Merchants = slices.Concat(allowed, only)
	}
	other := func(merchant string) bool { return !slices.Contains(allowed, merchant) }
	if len(allowed) > 0 && slices.ContainsFunc(event.Merchants, other) {
		refused := departure.Refuse(event.Meta, errors.New("merchant: not among the merchants of this source"))
		refused.About = event.UIDs
		return refused
	}
	return event
}
