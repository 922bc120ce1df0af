package wedata

// Class is a kind of fault: all of one class call for the same thing to be done.
type Class string

// The classes. The first eleven are WeChat's own words, by errcode.
const (
	// Busy passes by itself, within seconds as a rule.
	Busy Class = "busy"
	// TokenRefused means that the token is no longer, or never was, the merchant's latest.
	TokenRefused Class = "token refused"
	// ReauthorizationNeeded means that no newer token will help until the merchant has authorised the platform again.
	ReauthorizationNeeded Class = "reauthorization needed"
	// WrongToken means a token of another kind than this API takes.
	WrongToken Class = "wrong token"
	// PermissionMissing means that the merchant has not granted permission set 18, or has taken it back.
	PermissionMissing Class = "permission missing"
	// DailyQuota means that nothing is answered any more today.
	DailyQuota Class = "daily quota"
	// MinuteRate means too many calls within a minute.
	MinuteRate Class = "minute rate"
	// IPNotAllowed means that the caller's address is not on the third-party platform's whitelist.
	IPNotAllowed Class = "IP not allowed"
	// Blocked means that WeChat has barred the account from the API.
	Blocked Class = "blocked"
	// BadInput means that the request itself was refused, here or by WeChat.
	BadInput Class = "bad input"
	// Undocumented is any other errcode.
	Undocumented Class = "undocumented"
	// Unclear is a reply that says neither yes nor no: not JSON, cut off, too large, without an errcode. The call may
	// or may not have been carried out.
	Unclear Class = "unclear"
	// Network is no reply at all, timeouts and cancellations included. The call may or may not have been carried out.
	Network Class = "network"
)

// classOf is the table of errcodes (WeChat docs, global return codes and those of third-party platforms).
func classOf(errcode int) Class {
	switch errcode {
	case -1: // system busy
		return Busy
	case 40001, // invalid, or not the latest
		40014, // invalid
		41001, // missing
		42001: // expired
		return TokenRefused
	case 42007: // authorization lost, by a changed password for example
		return ReauthorizationNeeded
	case 61014, // a component token is asked for
		61015: // an authorizer's token is asked for
		return WrongToken
	case 48001, // API not authorized
		61003, // platform not authorized by this account
		61007, // API not authorized to the platform
		61016, // permission set to be confirmed
		61017, // permission set not granted
		61028: // permission not granted
		return PermissionMissing
	case 45009:
		return DailyQuota
	case 45011:
		return MinuteRate
	case 40164, 45035, 61004:
		return IPNotAllowed
	case 48004, // API forbidden
		50002, // account limited
		50004: // service forbidden
		return Blocked
	case 40013, // appid
		40066,   // URL
		40097,   // arguments
		43002,   // not POST
		43003,   // not HTTPS
		44002,   // empty body
		47001,   // not JSON
		47002,   // \uXXXX in the JSON
		9900004: // parameters
		return BadInput
	default:
		return Undocumented
	}
}

// Advice returns what to do about a fault of this class, in one clause.
func (c Class) Advice() string {
	switch c {
	case Busy:
		return "try again in a moment"
	case TokenRefused:
		return "use the merchant's latest authorizer_access_token"
	case ReauthorizationNeeded:
		return "have the merchant authorise the third-party platform again"
	case WrongToken:
		return "use the merchant's authorizer_access_token, not one of another kind"
	case PermissionMissing:
		return "grant permission set 18 to the third-party platform"
	case DailyQuota:
		return "wait for the daily quota to reset"
	case MinuteRate:
		return "wait at least 60 s"
	case IPNotAllowed:
		return "put the egress IP on the third-party platform's whitelist"
	case Blocked:
		return "ask WeChat why the API is closed to this account"
	case BadInput:
		return "correct the request"
	case Unclear:
		return "look for a proxy or a wrong base URL on the way to WeChat, or try again"
	case Network:
		return "check the way to WeChat (egress, DNS, proxy), or try again"
	default:
		return "ask WeChat what it means"
	}
}
