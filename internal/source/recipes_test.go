package source

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"wedata-unbind/internal/source/sourcetest"
)

// A vendor sends a body with the key that it has. What it signs is written here as its own documentation says it, and
// not read from the entry.
type vendor struct {
	key  string // the one in the entry
	send func(key string, body []byte) sourcetest.Request
	// open vendors do not sign the body: who sees one event knows the key.
	open bool
}

const otherKey = "YW5vdGhlciBrZXkgdGhhbiB0aGUgb25l"

func vendors() map[string]vendor {
	sum := func(key string, parts ...string) []byte {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(strings.Join(parts, "")))
		return mac.Sum(nil)
	}
	stamp := strconv.FormatInt(now.Unix(), 10)
	header := func(name string) vendor {
		return vendor{docKey, func(key string, body []byte) sourcetest.Request { return post(body, name, key) }, true}
	}
	query := vendor{docKey, func(key string, body []byte) sourcetest.Request {
		r := post(body)
		r.Query.Set("key", key)
		return r
	}, true}
	basic := vendor{docKey, func(key string, body []byte) sourcetest.Request {
		return post(body, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(key)))
	}, true}
	token := func(verification string, send func(string, []byte) sourcetest.Request) func(string, []byte) sourcetest.Request {
		samples := strings.NewReplacer("rvaYgkND1GOiu5MM0E1rncYC6PLtF7JV", verification)
		return func(key string, body []byte) sourcetest.Request {
			return send(key, []byte(samples.Replace(string(body))))
		}
	}
	dingTalk := vendor{"callback token", func(key string, body []byte) sourcetest.Request {
		return sourcetest.DingTalk(key, aesKey, "corp", now, body)
	}, false}
	weCom := vendor{"callback token", func(key string, body []byte) sourcetest.Request {
		return sourcetest.WeCom(key, aesKey, "corp", now, body)
	}, false}
	deel := vendor{docKey, func(key string, body []byte) sourcetest.Request {
		return post(body, "X-Deel-Signature", hex.EncodeToString(sum(key, "POST", string(body))))
	}, false}
	workOS := vendor{docKey, func(key string, body []byte) sourcetest.Request {
		millis := stamp + "272"
		return post(body, "WorkOS-Signature", "t="+millis+", v1="+hex.EncodeToString(sum(key, millis, ".", string(body))))
	}, false}
	return map[string]vendor{
		"lark": {encryptKey, token("VERIFICATION_TOKEN", func(key string, body []byte) sourcetest.Request {
			return sourcetest.Feishu(key, now, body)
		}), false},
		"ding":        dingTalk,
		"ding-suite":  dingTalk,
		"wecom":       weCom,
		"wecom-suite": weCom,
		"feilian": {"VERIFICATION_TOKEN", func(key string, body []byte) sourcetest.Request {
			return post([]byte(strings.ReplaceAll(string(body), "VERIFICATION_TOKEN", key)))
		}, true},
		"xinren": query,
		"erhao":  query,
		"moka": {docKey, func(key string, body []byte) sourcetest.Request {
			r := post(body)
			r.Query.Set("sign", hex.EncodeToString(sum(key, string(body))))
			return r
		}, false},
		"authing": header("X-Authing-Webhook-Secret"),
		"okta":    {docKey, sourcetest.Okta, true},
		"entra":   {docKey, sourcetest.Bearer, true},
		"workos":  workOS, "workos-inactive": workOS,
		"intranet": {"whsec_" + docKey, func(key string, body []byte) sourcetest.Request {
			return sourcetest.StandardWebhooks(key, now, body)
		}, false},
		"bamboo": {docKey, func(key string, body []byte) sourcetest.Request {
			return post(body, "X-BambooHR-Timestamp", stamp, "X-BambooHR-Signature", hex.EncodeToString(sum(key, string(body), stamp)))
		}, false},
		"bob": {docKey, func(key string, body []byte) sourcetest.Request {
			mac := hmac.New(sha512.New, []byte(key))
			mac.Write(body)
			return post(body, "Bob-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		}, false},
		"gusto": {docKey, func(key string, body []byte) sourcetest.Request {
			return sourcetest.HMAC(key, "X-Gusto-Signature", body)
		}, false},
		"deel": deel, "deel-contracts": deel,
		"merge": {docKey, func(key string, body []byte) sourcetest.Request {
			return post(body, "X-Merge-Webhook-Signature", base64.URLEncoding.EncodeToString(sum(key, string(body))))
		}, false},
		"finch": {docKey, func(key string, body []byte) sourcetest.Request {
			r := sourcetest.StandardWebhooks("whsec_"+key, now, body)
			return post(body, "finch-event-id", "msg_1", "finch-timestamp", stamp, "finch-signature", r.Header.Get("Webhook-Signature"))
		}, false},
		"rippling":  {docKey, sourcetest.Bearer, true},
		"factorial": header("x-factorial-wh-challenge"), "factorial-back": header("x-factorial-wh-challenge"),
		"paylocity": basic,
		"greenhouse": {docKey, func(key string, body []byte) sourcetest.Request {
			return post(body, "Signature", "sha256 "+hex.EncodeToString(sum(key, string(body))))
		}, false},
		"sap-rest": basic,
		"sap-soap": basic,
		"workday":  basic,
	}
}

// recipeRow is a payload in one of a vendor's shapes, and what is read in it.
type recipeRow struct{ source, shape, payload, want string }

func recipeRows(t testing.TB) []recipeRow {
	t.Helper()
	file := func(name string, changes ...string) string {
		text := string(sample(t, name))
		changed := strings.NewReplacer(changes...).Replace(text)
		if len(changes) > 0 && changed == text {
			t.Fatalf("%s does not have %q", name, changes)
		}
		return changed
	}
	okta := func(event string) string { return `{"data":{"events":[` + event + `]}}` }
	const (
		deactivated  = "okta-user.lifecycle.deactivate-logevent.json"
		offboarding  = "feishu-corehr.offboarding.status_updated_v2.json"
		termination  = "successfactors-termination.xml"
		synced       = "dingtalk-synchttp-user_modify_org.json"
		notInBamboo  = `ignored: fields.[Status.value,Status,Employment Status.value,Employment Status].#(!="") is `
		bambooWanted = `, wanted "Inactive" or "Terminated"`
	)
	bamboo := func(item string) string { return `{"employees":[` + item + `]}` }
	var secondEvent string
	if event := file(termination); true {
		from, to := strings.Index(event, "<ns3:event>"), strings.Index(event, "</ns3:events>")
		secondEvent = event[:to] + strings.Replace(event[from:to], "<value>82094<", "<value>82095<", 1) + event[to:]
	}
	return []recipeRow{
		{"lark", "contact.user.deleted_v3", file("feishu-contact.user.deleted_v3.json"), "left e33ggbyz"},
		{"lark", "status_updated_v2, took effect", file(offboarding, `"status": 1`, `"status": 3`), "left e33ggbyz"},
		{"lark", "status_updated_v2, started", file(offboarding), "ignored: event.status is another value, wanted 3"},
		{"lark", "updated_v1, took effect", file(offboarding, `"status": 1`, `"status": 5`, "status_updated_v2", "updated_v1"), "left e33ggbyz"},
		{"lark", "status as a text", file(offboarding, `"status": 1`, `"status": "3"`), "failed: left_when: event.status is \"3\" where 3 is expected"},
		{"lark", "resigned_v1, an employment_id alone", file("feishu-corehr.employment.resigned_v1.json"), "failed: uid: nothing at event.object.user_id or event.target_user_id.user_id"},
		{"lark", "another event", `{"schema":"2.0","header":{"event_type":"contact.user.created_v3","token":"VERIFICATION_TOKEN"},"event":{"object":{"user_id":"e1"}}}`, `ignored: header.event_type is another value, wanted "contact.user.deleted_v3" or "corehr.employment.resigned_v1"`},

		{"ding", "HTTP push", file("dingtalk-user_leave_org-http.json"), "left 015xxxx227"},
		{"ding", "older push", `{"EventType":"user_leave_org","TimeStamp":"1663143335567","UserId":["e1","e2"],"CorpId":"ding1"}`, "left e1,e2"},
		{"ding", "another event", file("dingtalk-user_leave_org-http.json", "user_leave_org", "user_modify_org"), `ignored: EventType is another value, wanted "user_leave_org"`},
		{"ding-suite", "SyncHTTP", file(synced, "user_modify_org", "user_leave_org", "ding077ede7c***************", "dingffea2a0dcc37d0"), "left 085********* of wx0123456789abcdef"},
		{"ding-suite", "SyncHTTP, a company that is not listed", file(synced, "user_modify_org", "user_leave_org"), "failed: item 1: merchants: the value at corp_id is not listed in of: add it"},
		{"ding-suite", "SyncHTTP, another change", file(synced), `ignored: biz_data|@fromstr|syncAction is another value, wanted "user_leave_org"`},
		{"ding-suite", "SyncHTTP, of high priority", `{"EventType":"SYNC_HTTP_PUSH_HIGH","bizData":[{"biz_type":2,"biz_id":"1489999001","biz_data":"{\"syncAction\":\"suite_ticket\"}","corp_id":"ding1"}]}`, `ignored: biz_data|@fromstr|syncAction is another value, wanted "user_leave_org"`},

		{"wecom", "contact synchronisation", `<xml><ToUserName><![CDATA[toUser]]></ToUserName><FromUserName><![CDATA[sys]]></FromUserName><CreateTime>1403610513</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[change_contact]]></Event><ChangeType>delete_user</ChangeType><UserID><![CDATA[zhangsan]]></UserID></xml>`, "left zhangsan"},
		{"wecom", "another change", `<xml><Event><![CDATA[change_contact]]></Event><ChangeType>update_user</ChangeType><UserID><![CDATA[zhangsan]]></UserID></xml>`, `ignored: ChangeType is another value, wanted "delete_user"`},
		{"wecom-suite", "suite", file("wecom-delete_user-suite.xml"), "left zhangsan of wx0123456789abcdef"},
		{"wecom-suite", "suite, a company that is not listed", file("wecom-delete_user-suite.xml", "wxf8b4f85f3a794e77", "wx0000000000000000"), "failed: merchants: the value at AuthCorpId is not listed in of: add it"},
		{"wecom-suite", "suite, another change", file("wecom-delete_user-suite.xml", "delete_user", "create_user"), `ignored: ChangeType is another value, wanted "delete_user"`},

		{"feilian", "user.v1.delete, two people", `{"schema":"1.0","header":{"event_id":"1","token":"VERIFICATION_TOKEN","create_time":"1743127013000","event_type":"user.v1.delete","app_id":"a"},"data":{"events":[{"object":{"open_id":"o1","status":3},"old_object":{"open_id":"o1","user_id":"e1","status":1}},{"object":{"open_id":"o2","status":3},"old_object":{"open_id":"o2","user_id":"e2","status":1}}]}}`, "left e1,e2"},
		{"feilian", "user.v1.delete, one without a user_id", `{"header":{"token":"VERIFICATION_TOKEN","event_type":"user.v1.delete"},"data":{"events":[{"old_object":{"user_id":"e1"}},{"old_object":{"open_id":"o2"}}]}}`, "left e1; failed: uid: missing in 1 of the items that data.events.#.old_object.user_id goes through"},
		{"feilian", "user.v1.update", `{"header":{"token":"VERIFICATION_TOKEN","event_type":"user.v1.update"},"data":{"events":[{"object":{"status":2},"old_object":{"user_id":"e1"}}]}}`, `ignored: header.event_type is another value, wanted "user.v1.delete"`},

		{"xinren", "employee_dismiss, the last day ahead", `{"messageId":"uuid","type":"employee_dismiss","sendtime":"1795395600","employeeId":"9f8f841187e740f6a5a497ca6bb91be9","dismissDate":"2026-11-30"}`, "left E1001 at 2026-12-01T00:00:00+08:00"},
		{"xinren", "somebody who is not in people", `{"type":"employee_dismiss","employeeId":"another"}`, "unknown: not in people another"},
		{"xinren", "employee_entry", file("xinrenxinshi-employee_entry.json"), `ignored: type is another value, wanted "employee_dismiss"`},
		{"xinren", "the test", `{"type":"verify"}`, `ignored: type is another value, wanted "employee_dismiss"`},

		{"erhao", "employee_leave, two people", `{"key":"employee_leave","data":["e233b5a2-7c10-4cf1-a3f6-52b7c4841dd2","0d29f1a4-3a5e-433c-b68f-7cc01dd4bfc1"]}`, "left E1001,E1002"},
		{"erhao", "employee_add", file("2haohr-employee_add.json"), `ignored: key is another value, wanted "employee_leave"`},
		{"erhao", "the test", file("2haohr-event_test.json"), `ignored: key is another value, wanted "employee_leave"`},

		{"moka", "as the recipe names it", `{"id":"1","event":"employeeLeave","data":{"email":"e1@x"}}`, "left e1@x"},
		{"moka", "recruiting", `{"name":"test","email":"test@mokahr.com"}`, `ignored: event is missing, wanted "employeeLeave"`},

		{"authing", "user:updated, blocked", file("authing-user.updated.json", `"blocked": false`, `"blocked": true`), "left xxx"},
		{"authing", "user:updated, deleted", file("authing-user.updated.json", `"isDeleted": false`, `"isDeleted": true`), "left xxx"},
		{"authing", "user:updated, another field", file("authing-user.updated.json"), "ignored: data.user.[blocked,isDeleted].#(==true) is missing, wanted true"},
		{"authing", "the test", file("authing-test.json"), "ignored: data.user.[blocked,isDeleted].#(==true) is missing, wanted true"},

		{"okta", "deactivated", okta(file(deactivated)), "left john.doe@example.com"},
		{"okta", "two users in the target", okta(file(deactivated, `"target": [`, `"target": [{"type":"User","alternateId":"second@example.com"},`)), "left second@example.com,john.doe@example.com"},
		{"okta", "a user without an alternateId", okta(file(deactivated, `"target": [`, `"target": [{"type":"User"},`)), `left john.doe@example.com; failed: item 1: uid: missing in 1 of the items that target.#(type=="User")#.alternateId goes through`},
		{"okta", "no outcome is told", okta(file(deactivated, `"outcome"`, `"result"`)), "left john.doe@example.com"},
		{"okta", "it did not succeed", okta(file(deactivated, `"SUCCESS"`, `"FAILURE"`)), `ignored: [outcome.result,!"SUCCESS"].0 is another value, wanted "SUCCESS"`},
		{"okta", "a session", file("okta-event_hook-envelope.json"), `ignored: eventType is another value, wanted "user.lifecycle.deactivate" or "user.lifecycle.delete.initiated"`},

		{"entra", "canonical", `{"type":"employee.left","id":"run-1","data":{"uid":"e1@example.com"}}`, "left e1@example.com"},
		{"entra", "the last day ahead", `{"type":"employee.left","data":{"uid":"e1@example.com","effective_at":"2026-11-30"}}`, "left e1@example.com at 2026-12-01T00:00:00+08:00"},
		{"entra", "taken back", `{"type":"employee.left.cancelled","data":{"uid":"e1@example.com"}}`, "left.cancelled e1@example.com"},
		{"entra", "another type", `{"type":"employee.joined","data":{"uid":"e1@example.com"}}`, `ignored: type "employee.joined" is not employee.left`},

		{"workos", "dsync.user.deleted", file("workos-dsync.user.updated.json", "dsync.user.updated", "dsync.user.deleted"), "left lela.block@example.com"},
		{"workos", "dsync.user.updated", file("workos-dsync.user.updated.json"), `ignored: event is another value, wanted "dsync.user.deleted"`},
		{"workos-inactive", "dsync.user.updated, inactive", file("workos-dsync.user.updated.json", `"active"`, `"inactive"`), "left lela.block@example.com"},
		{"workos-inactive", "dsync.user.updated, active", file("workos-dsync.user.updated.json"), `ignored: data.state is another value, wanted "inactive"`},

		{"intranet", "canonical", `{"type":"employee.left","timestamp":"2026-11-23T00:59:00Z","data":{"uid":"E1001"}}`, "left E1001"},
		{"intranet", "the specification's example", file("standardwebhooks-example.event.json"), `ignored: type "example.event" is not employee.left`},

		{"bamboo", "plain values", bamboo(`{"id":"12345","action":"Updated","timestamp":"2026-01-31T18:42:00+0000","changedFields":["Status"],"fields":{"Status":"Inactive","Work Email":"bryony@example.com"}}`), "left bryony@example.com"},
		{"bamboo", "values in objects, no action", bamboo(`{"id":5,"fields":{"Status":{"value":"Inactive"},"Work Email":{"value":"bryony@example.com"}},"changedFields":["Status"]}`), "left bryony@example.com"},
		{"bamboo", "Employment Status", bamboo(`{"id":"5","fields":{"Employment Status":"Terminated","Work Email":"bryony@example.com"}}`), "left bryony@example.com"},
		{"bamboo", "Employment Status in an object", bamboo(`{"id":"5","fields":{"Employment Status":{"value":"Terminated"},"Work Email":{"value":"bryony@example.com"}}}`), "left bryony@example.com"},
		{"bamboo", "two items, one without the address", bamboo(`{"id":"1","fields":{"Status":"Inactive"}},{"id":"2","fields":{"Status":"Inactive","Work Email":"e2@x"}}`), "failed: item 1: uid: nothing at fields.Work Email.value or fields.Work Email; left e2@x"},
		{"bamboo", "the status in another case", bamboo(`{"id":"1","fields":{"Status":"inactive","Work Email":"e1@x"}}`), `failed: item 1: left_when: fields.[Status.value,Status,Employment Status.value,Employment Status].#(!="") is "Inactive" in another case where "Inactive" is expected`},
		{"bamboo", "an empty Status beside Employment Status", bamboo(`{"id":"5","fields":{"Status":{"value":null},"Employment Status":"Terminated","Work Email":"e1@x"}},{"id":"6","fields":{"Status":"","Employment Status":{"value":"Terminated"},"Work Email":"e2@x"}}`), "left e1@x; left e2@x"},
		{"bamboo", "still employed", bamboo(`{"id":"1","action":"Updated","fields":{"Status":{"value":"Active"},"Work Email":"e1@x"}}`), notInBamboo + "another value" + bambooWanted},
		{"bamboo", "another field", file("bamboohr-field-based-docs.json"), notInBamboo + "missing" + bambooWanted},
		{"bamboo", "event-based", file("bamboohr-employee.updated.json"), "failed: each: there is no list at employees"},

		{"bob", "employee.left", `{"companyId":636192,"type":"employee.left","triggeredBy":"system","triggeredAt":"2026-11-30T10:00:00.000","version":"v2","data":{"employeeId":"3332883804235530894"}}`, "left 3332883804235530894"},
		{"bob", "employee.access.revoked.immediately", `{"companyId":636192,"type":"employee.access.revoked.immediately","triggeredBy":"3332883804235530895","triggeredAt":"2026-11-30T10:00:00.000","version":"v2","data":{"employeeId":"3332883804235530894"}}`, "left 3332883804235530894"},
		{"bob", "employee.inactivated", `{"companyId":636192,"type":"employee.inactivated","data":{"employeeId":"3332883804235530894"}}`, `ignored: type is another value, wanted "employee.left" or "employee.access.revoked.immediately"`},
		{"bob", "the test, a text", "Ping test", "ignored: a text and no event, such as a test delivery"},
		{"bob", "the test, JSON", `{"text":"Ping test"}`, `ignored: type is missing, wanted "employee.left" or "employee.access.revoked.immediately"`},

		{"gusto", "termination_effective", file("gusto-employee.termination_cancelled.json", "_cancelled", "_effective"), "left bcfc9744-0ab3-4ef3-ab0d-e728255d659c"},
		{"gusto", "terminated_effective", file("gusto-employee.termination_cancelled.json", "termination_cancelled", "terminated_effective"), "left bcfc9744-0ab3-4ef3-ab0d-e728255d659c"},
		{"gusto", "termination_cancelled", file("gusto-employee.termination_cancelled.json"), "left.cancelled bcfc9744-0ab3-4ef3-ab0d-e728255d659c"},
		{"gusto", "terminated, weeks before", file("gusto-employee.termination_cancelled.json", "termination_cancelled", "terminated"), `ignored: event_type is another value, wanted "employee.termination_effective" or "employee.terminated_effective"`},
		{"gusto", "its token", file("gusto-verification_token.json"), `ignored: event_type is missing, wanted "employee.termination_effective" or "employee.terminated_effective"`},

		{"deel", "a list", `{"data":{"meta":{"event_type":"contract.terminated","event_id":"e","occurred_at":"2026-02-05T15:39:38.070Z"},"resource":[{"contract_id":"c","worker_email":"a@x"},{"worker_email":"b@x"}]},"timestamp":"2026-02-05T15:39:39Z"}`, "left a@x,b@x"},
		{"deel", "an object, the date ahead", `{"data":{"meta":{"event_type":"contract.terminated","event_type_id":3,"tracking_id":"t"},"resource":{"id":"3w4zdd9","worker_email":"a@x","completion_date":"2026-11-30T00:00:00.000Z"}},"timestamp":"2026-02-05T15:39:39Z"}`, "left a@x at 2026-12-01T00:00:00+08:00"},
		{"deel", "no address", `{"data":{"meta":{"event_type":"contract.terminated"},"resource":[{"contract_id":"c"}]}}`, "failed: uid: nothing at data.resource.#.worker_email or data.resource.worker_email"},
		{"deel", "another event", `{"data":{"meta":{"event_type":"contract.created"},"resource":[{"worker_email":"a@x"}]}}`, `ignored: data.meta.event_type is another value, wanted "contract.terminated"`},
		{"deel-contracts", "the documented object", `{"data":{"meta":{"event_type":"contract.terminated","tracking_id":"t"},"resource":{"id":"3w4zdd9","completion_date":"2026-11-20"}},"timestamp":"2026-02-05T15:39:39Z"}`, "left E1001 at 2026-11-21T00:00:00+08:00"},
		{"deel-contracts", "another event", `{"data":{"meta":{"event_type":"contract.created"},"resource":{"id":"3w4zdd9"}}}`, `ignored: data.meta.event_type is another value, wanted "contract.terminated"`},

		{"merge", "INACTIVE", `{"hook":{"id":"h","event":"Employee.changed"},"linked_account":{"id":"l"},"data":{"id":"d","work_email":"a@x","employment_status":"INACTIVE","termination_date":"2026-11-30T00:00:00Z"}}`, "left a@x"},
		{"merge", "INACTIVE, the year 1 for no date", `{"hook":{"event":"Employee.changed"},"data":{"work_email":"a@x","employment_status":"INACTIVE","termination_date":"0001-01-01T00:00:00Z"}}`, "left a@x"},
		{"merge", "ACTIVE", `{"hook":{"event":"Employee.changed"},"data":{"work_email":"a@x","employment_status":"ACTIVE"}}`, `ignored: data.employment_status is another value, wanted "INACTIVE"`},

		{"finch", "directory.deleted", `{"connection_id":"c","event_type":"directory.deleted","data":{"individual_id":"b2338cfb-472f-4f72-9faa-e028c083144a"}}`, "left E1001"},
		{"finch", "somebody who is not in people", `{"connection_id":"c","event_type":"directory.deleted","data":{"individual_id":"5d0b279e-8cb4-4b5f-8bbd-a2e0ee6f6c3f"}}`, "unknown: not in people 5d0b279e-8cb4-4b5f-8bbd-a2e0ee6f6c3f"},
		{"finch", "employment.updated", `{"event_type":"employment.updated","data":{"individual_id":"b2338cfb-472f-4f72-9faa-e028c083144a"}}`, `ignored: event_type is another value, wanted "directory.deleted"`},

		{"rippling", "a form", "event_name=employee.terminated&id=5f8a7c1e2b3d4f0011223344&company_id=1&company_primary_email=hr%40example.com", "left E1001"},
		{"rippling", "JSON", `{"event_name":"employee.terminated","id":"5f8a7c1e2b3d4f0011223344","company_id":"1","company_primary_email":"hr@example.com"}`, "left E1001"},
		{"rippling", "employee.deleted", "event_name=employee.deleted&id=5f8a7c1e2b3d4f0011223344&company_id=1", `ignored: event_name is another value, wanted "employee.terminated"`},

		{"factorial", "the last day ahead", `{"id":7,"email":"e1@x","terminated_on":"2026-11-30","termination_reason":"other"}`, "left e1@x at 2026-12-01T00:00:00+08:00"},
		{"factorial", "no address", `{"id":7,"email":null,"terminated_on":"2026-11-30"}`, "failed: uid: nothing at email"},
		{"factorial", "a date in another form", `{"id":7,"email":"E1001","terminated_on":"2026/01/31"}`, "left E1001 at 2026-02-01T00:00:00+08:00"},
		{"factorial", "not terminated", `{"id":7,"email":"e1@x","terminated_on":null}`, `ignored: [terminated_on].#(%"?*")#|# is another value, wanted 1`},
		{"factorial-back", "undone", `{"id":7,"email":"e1@x","terminated_on":null}`, "left.cancelled e1@x"},

		{"paylocity", "termination", `{"companyId":"C01","employeeCostCenter1":"11 - Software Development","employeeFirstName":"Jane","employeeId":"12345","employeeLastName":"Doe"}`, "left 12345"},

		{"greenhouse", "the field changed", file("greenhouse-employee.updated.json", "desk_location", "left_company"), "left E1001"},
		{"greenhouse", "other fields changed", file("greenhouse-employee.updated.json"), `ignored: payload.updated_fields.#(id=="left_company").id is missing, wanted "left_company"`},

		{"sap-rest", "canonical, the date ahead", `{"type":"employee.left","id":"1","data":{"uid":"82094","effective_at":"2026-11-30"}}`, "left 82094 at 2026-12-01T00:00:00+08:00"},
		{"sap-rest", "another type", `{"type":"employee.rehired","data":{"uid":"82094"}}`, `ignored: type "employee.rehired" is not employee.left`},
		{"sap-soap", "one event", file(termination), "left 82094 at 2021-09-02T00:00:00+08:00"},
		{"sap-soap", "two events", secondEvent, "left 82094,82095 at 2021-09-02T00:00:00+08:00"},
		{"sap-soap", "the date ahead", file(termination, "2021-09-01", "2026-12-01"), "left 82094 at 2026-12-02T00:00:00+08:00"},
		{"sap-soap", "no userId", file(termination, "<name>userId<", "<name>another<"), `failed: uid: nothing at Body.ExternalEvent.events.event.#.entityKeys.entityKey.#(name=="userId").value or Body.ExternalEvent.events.event.entityKeys.entityKey.#(name=="userId").value`},
		{"sap-soap", "a rehire", file(termination, ".Termination<", ".ReHire<"), `ignored: Body.ExternalEvent.externalEventMeta.type is another value, wanted "com.successfactors.Employment.AssignmentInformation.Termination"`},

		{"workday", "canonical, as XML", `<event><type>employee.left</type><id>1</id><data><uid>E1001</uid><effective_at>2026-11-30</effective_at></data></event>`, "left E1001 at 2026-12-01T00:00:00+08:00"},
		{"workday", "canonical, two people as XML", `<event><type>employee.left</type><data><uid>E1001</uid><uid>E1002</uid></data></event>`, "left E1001,E1002"},
		{"workday", "rescinded", `<event><type>employee.left.cancelled</type><data><uid>E1001</uid></data></event>`, "left.cancelled E1001"},
		{"workday", "another type", `<event><type>employee.hired</type><data><uid>E1001</uid></data></event>`, `ignored: type "employee.hired" is not employee.left`},
	}
}

// A Shape is a row of the table as its vendor sends it. The tests of the whole way into the queue use it too.
type Shape struct {
	Source, Name, Want string
	Request            sourcetest.Request
	Forged             map[string]sourcetest.Request
}

// Shapes returns every row, and the secret with the documented entries. The requests are of the time at.
func Shapes(t testing.TB) (shapes []Shape, secret string, at time.Time) {
	t.Helper()
	all := documented(t)
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	senders := vendors()
	for _, row := range recipeRows(t) {
		from, known := senders[row.source]
		if !known || all[row.source] == nil {
			t.Fatalf("%s: no such recipe is documented, or no vendor sends to it", row.source)
		}
		request := func(key string) sourcetest.Request {
			r := from.send(key, []byte(row.payload))
			if strings.HasPrefix(row.payload, "event_name=") {
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			return r
		}
		forged := map[string]sourcetest.Request{"another key": request(otherKey)}
		if !from.open {
			r := request(from.key)
			r.Body[len(r.Body)/2] ^= 1
			forged["another body"] = r
		}
		shapes = append(shapes, Shape{row.source, row.shape, row.want, request(from.key), forged})
	}
	return shapes, string(text), now
}

// Every shape is sent to the entry that the documentation has for its vendor.
func TestDocumentedRecipes(t *testing.T) {
	shapes, secret, _ := Shapes(t)
	reg := registryOf(&vault{versions: []string{secret}})
	receive := func(shape Shape, r sourcetest.Request) (Delivery, error) {
		return reg.Receive(t.Context(), shape.Source, httpRequest(r), r.Body, envelope)
	}
	for _, shape := range shapes {
		t.Run(shape.Source+", "+shape.Name, func(t *testing.T) {
			d, err := receive(shape, shape.Request)
			if err != nil {
				t.Fatal(err)
			}
			if got := tell(d.Events); got != shape.Want {
				t.Errorf("got  %s\nwant %s", got, shape.Want)
			}
			for what, r := range shape.Forged {
				if d, err := receive(shape, r); !errors.Is(err, ErrNotVerified) || d.Events != nil {
					t.Errorf("%s: got %v, %v", what, d.Events, err)
				}
			}
		})
	}
}

// A recipe without a leaver, or without an event that is none, was never tried.
func TestEveryRecipeIsTried(t *testing.T) {
	rows := recipeRows(t)
	tried := func(source, want string) bool {
		for _, row := range rows {
			if row.source == source && strings.HasPrefix(row.want, want) {
				return true
			}
		}
		return false
	}
	for name, entry := range documented(t) {
		if entry["scheme"] == nil {
			continue // a topic or an event source
		}
		if !tried(name, "left") {
			t.Errorf("%s: no row has somebody who leaves, or whose departure is taken back", name)
		}
		every := func(rule string) bool {
			conditions, given := entry[rule].(map[string]any)
			return given && len(conditions) == 0
		}
		if !tried(name, "ignored") && !every("left_when") && !every("cancel_when") {
			t.Errorf("%s: no row has an event that is ignored", name)
		}
	}
}

// The replies that vendors want to see, also for what is ignored.
func TestDocumentedReplies(t *testing.T) {
	all := documented(t)
	for source, tt := range map[string]struct{ payload, want string }{
		"xinren":      {`{"type":"verify"}`, `{"message":"success"}`},
		"erhao":       {`{"key":"event_test","data":[]}`, `{"result_code":"SUCCESS","result_msg":"OK"}`},
		"wecom-suite": {`<xml><InfoType>suite_ticket</InfoType></xml>`, "success"},
		"wecom":       {`<xml><Event>change_contact</Event></xml>`, ""},
	} {
		entry, _ := json.Marshal(all[source])
		from := vendors()[source]
		d, err := receive(newRegistry(string(entry)), from.send(from.key, []byte(tt.payload)))
		if err != nil || string(d.Reply(0, 1).Body) != tt.want {
			t.Errorf("%s: replied %s, %v; want %s", source, d.Reply(0, 1).Body, err, tt.want)
		}
	}
}
