#!/bin/sh
# A second, independent verifier of an exported chain: openssl 3, sha256sum and coreutils, nothing of ours.
# It checks that the numbers count up without a gap, that every entry holds the hash of the one before it, and that the
# given key signed each of them. It prints the first break; to learn what was done: python -m protocol verify.
set -eu

usage() {
	cat >&2 <<-END
	usage: verify-chain.sh FILE KEY.pem START_HASH (--expect-head SEQ:HASH | --no-head)
	  FILE        exported lines, one compact JWS each, from entry 1 on
	  KEY.pem     public Ed25519 key of the journal
	  START_HASH  base64url SHA-256 of the epoch grant
	  --expect-head  an entry known to exist, as from an ack; --no-head accepts that a cut tail cannot be found
	exit status: 0 the chain holds, 1 it breaks, 2 usage
	END
	exit 2
}

broken() { # what is wrong
	echo "line $line_number, entry $((seq + 1)): $1"
	exit 1
}

decoded() { # base64url without padding -> bytes
	text=$1
	while [ $((${#text} % 4)) -ne 0 ]; do text=$text=; done
	printf %s "$text" | basenc --base64url -d 2>/dev/null
}

encoded() { basenc --base64url -w 0 | tr -d =; }

hash_of() { # text -> base64url of its SHA-256
	printf %s "$1" | sha256sum | cut -c 1-64 | tr a-f A-F | basenc --base16 -d | encoded
}

[ $# -ge 4 ] || usage
file=$1 key=$2 prev=$3 head=
case $4 in
--no-head) [ $# -eq 4 ] || usage ;;
--expect-head) [ $# -eq 5 ] || usage; head=$5 ;;
*) usage ;;
esac
[ -r "$file" ] && [ -r "$key" ] && [ ${#prev} -eq 43 ] || usage
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

seq=0 line_number=0 chain=
[ "$head" = "0:$prev" ] && head=
place='s/^{"v":[0-9]*,"site":"\([a-z0-9-]*\)","tid":"\([a-z0-9-]*\)","epoch":\([0-9]*\),"tno":\([0-9]*\),"seq":\([0-9]*\),"prev":"\([A-Za-z0-9_-]*\)",.*/\5 \6 \2\/\3 \1 \4/p'

while IFS= read -r line || [ -n "$line" ]; do
	line_number=$((line_number + 1))
	line=${line%"$(printf '\r')"}
	[ -n "$line" ] || continue
	case $line in
	*[!A-Za-z0-9._-]* | *.*.*.*) broken "is not an entry" ;;
	*.*.*) ;;
	*) broken "is not an entry" ;;
	esac
	header=${line%%.*} rest=${line#*.}
	payload=${rest%%.*} signature=${rest#*.}
	found=$(decoded "$payload" | LC_ALL=C sed -n "$place") || found=
	[ -n "$found" ] || broken "its number and hash cannot be read"
	# shellcheck disable=SC2086
	set -- $found
	[ "$1" = "$((seq + 1))" ] || broken "says that it is entry $1"
	[ "$2" = "$prev" ] || broken "does not hold the hash of the entry before it"
	[ "${chain:=$3 $4 $5}" = "$3 $4 $5" ] || broken "belongs to another chain: $3"
	[ "$header" = "$(printf '{"alg":"Ed25519","kid":"%s"}' "$3" | encoded)" ] || broken "has another header"
	decoded "$signature" >"$scratch/signature" || broken "its signature cannot be read"
	[ "$(encoded <"$scratch/signature")" = "$signature" ] || broken "its signature cannot be read"
	printf %s "$header.$payload" >"$scratch/signed"
	openssl pkeyutl -verify -pubin -inkey "$key" -rawin -in "$scratch/signed" -sigfile "$scratch/signature" \
		>/dev/null 2>&1 || broken "is not signed by this key"
	seq=$((seq + 1)) prev=$(hash_of "$line")
	if [ "$head" = "$seq:$prev" ]; then head=; fi
done <"$file"

if [ -n "$head" ]; then
	echo "end, entry $seq: the head $head is not in this chain: its tail was cut off, or it is another history"
	exit 1
fi
echo "intact: $seq entries hold, the newest is $seq:$prev"
