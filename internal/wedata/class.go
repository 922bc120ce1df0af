package wedata

import "slices"

// Class is a kind of fault. It stands in log lines, metrics and messages. All faults of a class need the same action.
type Class string

// The classes.
const (
	Busy                  Class = "busy"                   // WeChat is busy, for some seconds most often
	TokenRefused          Class = "token_refused"          // the token is not the merchant's latest
	ReauthorizationNeeded Class = "reauthorization_needed" // a newer token does not help
	WrongToken            Class = "wrong_token"            // the API takes another kind of token
	PermissionMissing     Class = "permission_missing"     // permission set 18 is not granted
	DailyQuota            Class = "daily_quota"            // too many calls today
	MinuteRate            Class = "minute_rate"            // too many calls within a minute
	IPNotAllowed          Class = "ip_not_allowed"         // the caller's IP is not on the platform's whitelist
	Blocked               Class = "blocked"                // WeChat has closed the API to the account
	BadInput              Class = "bad_input"              // this package or WeChat has refused the request
	Undocumented          Class = "undocumented"           // an errcode that the table below does not have
	Unclear               Class = "unclear"                // a reply without an errcode: the call may have worked
	Network               Class = "network"                // no reply, timeouts included: the call may have worked
)

// classRow is all that is known of a class.
type classRow struct {
	class Class
	// temporary: the same call may succeed later with nobody doing anything.
	temporary bool
	// advice is what to do, in one clause.
	advice   string
	errcodes []int
}

// classes is the table of classes and errcodes (WeChat docs: global return codes, and those of third-party platforms).
var classes = []classRow{
	{Busy, true, "try again in a moment", []int{
		-1, // system busy
	}},
	{TokenRefused, true, "use the merchant's latest authorizer_access_token", []int{
		40001, // invalid, or not the latest
		40014, // invalid
		41001, // missing
		42001, // expired
	}},
	{ReauthorizationNeeded, false, "have the merchant authorise the third-party platform again", []int{
		42007, // authorization lost, by a changed password for example
	}},
	{WrongToken, false, "use the merchant's authorizer_access_token, not another kind of token", []int{
		61014, // needs a component token
		61015, // needs an authorizer's token
	}},
	{PermissionMissing, false, "grant permission set 18 to the third-party platform", []int{
		48001, // API not authorized
		61003, // platform not authorized by this account
		61007, // API not authorized to the platform
		61016, // permission set to be confirmed
		61017, // permission set not granted
		61028, // permission not granted
	}},
	{DailyQuota, true, "wait for the daily quota to reset", []int{
		45009, // daily quota of the API reached
	}},
	{MinuteRate, true, "wait at least 60 s", []int{
		45011, // minute rate of the API reached
	}},
	{IPNotAllowed, false, "put the egress IP on the third-party platform's whitelist", []int{
		40164, // IP not in the whitelist
		45035, // IP not registered in the whitelist
		61004, // IP not registered
	}},
	{Blocked, false, "ask WeChat why the API is closed to this account", []int{
		48004, // API forbidden
		50002, // account limited
		50004, // service forbidden
	}},
	{BadInput, false, "correct the request", []int{
		40013,   // bad appid
		40066,   // bad URL
		40097,   // bad arguments
		43002,   // not POST
		43003,   // not HTTPS
		44002,   // empty body
		47001,   // not JSON
		47002,   // \uXXXX in the JSON
		9900004, // bad parameters
	}},
	{Undocumented, true, "ask WeChat what it means", nil},
	{Unclear, true, "look for a proxy or a wrong base URL on the way to WeChat, or try again", nil},
	{Network, true, "check the way to WeChat (egress, DNS, proxy), or try again", nil},
}

// Classes returns all classes, in the order of the table.
func Classes() []Class {
	all := make([]Class, len(classes))
	for i, row := range classes {
		all[i] = row.class
	}
	return all
}

// Advice returns what to do about a fault of this class, in one clause; "" for an unknown class.
func (c Class) Advice() string { return c.row().advice }

func (c Class) row() classRow {
	i := slices.IndexFunc(classes, func(row classRow) bool { return row.class == c })
	if i < 0 {
		return classRow{}
	}
	return classes[i]
}

func classOf(errcode int) Class {
	i := slices.IndexFunc(classes, func(row classRow) bool { return slices.Contains(row.errcodes, errcode) })
	if i < 0 {
		return Undocumented
	}
	return classes[i].class
}
