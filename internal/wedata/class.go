package wedata

import "slices"

// Class is a kind of fault. Log lines, metrics and dead letters have it. All faults of a class need the same action.
type Class string

// The classes.
const (
	Busy                  Class = "busy"                   // WeChat is busy, mostly for some seconds
	TokenRefused          Class = "token_refused"          // the token is missing, expired or not the latest
	ReauthorizationNeeded Class = "reauthorization_needed" // the authorization ended: a new password may be the cause
	WrongToken            Class = "wrong_token"            // the API takes another kind of token
	PermissionMissing     Class = "permission_missing"     // permission set 18 is not granted
	DailyQuota            Class = "daily_quota"            // too many calls today
	MinuteRate            Class = "minute_rate"            // too many calls within a minute
	IPNotAllowed          Class = "ip_not_allowed"         // the caller's IP is not on the platform's whitelist
	Blocked               Class = "blocked"                // WeChat has blocked or limited the account's use of the API
	BadInput              Class = "bad_input"              // this package or WeChat has refused the request
	Undocumented          Class = "undocumented"           // an errcode that is not in the table below
	Unclear               Class = "unclear"                // a reply without an errcode: the call may have worked
	Network               Class = "network"                // no reply, timeouts included: the call may have worked
)

// classes is the table of classes and errcodes (WeChat docs: global return codes, and those of third-party platforms).
var classes = []classRow{
	{Busy, true, "try again in a moment", []int{-1}},
	{TokenRefused, true, "use the merchant's latest authorizer_access_token", []int{40001, 40014, 41001, 42001}},
	{ReauthorizationNeeded, false, "have the merchant authorise the third-party platform again", []int{42007}},
	{WrongToken, false, "use the merchant's authorizer_access_token, not another kind of token", []int{61014, 61015}},
	{PermissionMissing, false, "grant permission set 18 to the third-party platform", []int{
		48001, 61007, // API not authorized, to the account or to the platform
		61003,               // platform not authorized by this account
		61016, 61017, 61028, // permission set to be confirmed, not granted; permission not granted
	}},
	{DailyQuota, true, "wait for the daily quota to reset", []int{45009}},
	{MinuteRate, true, "wait at least 60 s", []int{45011}},
	{IPNotAllowed, false, "put the egress IP on the third-party platform's whitelist", []int{40164, 45035, 61004}},
	{Blocked, false, "ask WeChat why the API is closed to this account", []int{48004, 50002, 50004}},
	{BadInput, false, "correct the request", []int{
		40013, 40066, 40097, 9900004, // bad appid, bad URL, bad arguments, bad parameters
		43002, 43003, // not POST, not HTTPS
		44002, 47001, 47002, // empty body, not JSON, \uXXXX in the JSON
	}},
	{Undocumented, true, "ask WeChat what it means", nil},
	{Unclear, true, "look for a proxy or a wrong base URL on the way to WeChat, or try again", nil},
	{Network, true, "check the way to WeChat (egress, DNS, proxy), or try again", nil},
}

type classRow struct {
	class     Class
	temporary bool   // the same call may succeed later although nobody changes anything
	advice    string // what to do, in one clause
	errcodes  []int
}

// Classes returns all classes, in the order of the table.
func Classes() (all []Class) {
	for _, row := range classes {
		all = append(all, row.class)
	}
	return all
}

// Advice returns what to do about a fault of this class, in one clause; "" for an unknown class.
func (c Class) Advice() string { return c.row().advice }

func (c Class) row() classRow {
	for _, row := range classes {
		if row.class == c {
			return row
		}
	}
	return classRow{}
}

func classOf(errcode int) Class {
	for _, row := range classes {
		if slices.Contains(row.errcodes, errcode) {
			return row.class
		}
	}
	return Undocumented
}
