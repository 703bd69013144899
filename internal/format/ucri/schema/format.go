package schema

// IsUUID reports whether s is a UUID in text form: 8-4-4-4-12 hexadecimal
// digits of either case (RFC 9562 §4; JSON Schema format "uuid").
func IsUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if c-'0' > 9 && (c|0x20)-'a' > 5 {
				return false
			}
		}
	}
	return true
}

// IsDate reports whether s is a full-date of RFC 3339 that exists in the
// calendar.
func IsDate(s string) bool {
	if len(s) != 10 || s[4] != '-' || s[7] != '-' {
		return false
	}
	year, ok1 := number(s[:4])
	month, ok2 := number(s[5:7])
	day, ok3 := number(s[8:])
	return ok1 && ok2 && ok3 && month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month)
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	default:
		return 31
	}
}

// IsDateTime reports whether s is a date-time of RFC 3339 §5.6: any number of
// fraction digits, T and Z in either case, and a leap second only where one can
// be, at 23:59:60 UTC.
func IsDateTime(s string) bool {
	const shortest = len("2006-01-02T15:04:05Z")
	if len(s) < shortest || s[10]|0x20 != 't' || !IsDate(s[:10]) {
		return false
	}
	hour, ok1 := number(s[11:13])
	minute, ok2 := number(s[14:16])
	second, ok3 := number(s[17:19])
	if !ok1 || !ok2 || !ok3 || s[13] != ':' || s[16] != ':' || hour > 23 || minute > 59 || second > 60 {
		return false
	}
	rest := s[19:]
	if rest[0] == '.' {
		i := 1
		for i < len(rest) && rest[i]-'0' <= 9 {
			i++
		}
		if i == 1 {
			return false
		}
		rest = rest[i:]
	}
	if len(rest) == 1 && rest[0]|0x20 == 'z' {
		return second < 60 || hour == 23 && minute == 59
	}
	if len(rest) != 6 || rest[0] != '+' && rest[0] != '-' || rest[3] != ':' {
		return false
	}
	offsetHour, ok1 := number(rest[1:3])
	offsetMinute, ok2 := number(rest[4:])
	if !ok1 || !ok2 || offsetHour > 23 || offsetMinute > 59 {
		return false
	}
	if second < 60 {
		return true
	}
	const day = 24 * 60
	offset := offsetHour*60 + offsetMinute
	if rest[0] == '+' {
		offset = -offset
	}
	return (hour*60+minute+offset+day)%day == day-1
}

// number reads a text of decimal digits only.
func number(s string) (n int, ok bool) {
	for i := range len(s) {
		c := s[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + int(c)
	}
	return n, true
}
