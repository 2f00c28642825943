#!/bin/sh
# A second, independent verifier of an exported chain: openssl 3, sha256sum and coreutils, nothing of ours.
# It checks that the numbers count up without a gap, that every entry holds the hash of the one before it, and that the
# given key signed each of them. It prints the first break; to learn what was done: python -m protocol verify.
set -eu

usage() { # what is wrong
	[ $# -eq 0 ] || echo "verify-chain.sh: $1" >&2
	cat >&2 <<-'END'
	usage: verify-chain.sh FILE KEY.pem [SEQ:]START_HASH (--expect-head SEQ:HASH | --no-head)
	  FILE        exported lines, one compact JWS each
	  KEY.pem     public Ed25519 key of the journal; from the terminal's grant.jws:
	                { printf '302A300506032B6570032100' | basenc --base16 -d
	                  cut -d . -f 2 grant.jws | tr _- /+ | base64 -di 2>/dev/null |
	                  sed 's/.*"key":"\([^"]*\)".*/\1=/' | basenc --base64url -d; } |
	                openssl pkey -pubin -inform DER -out KEY.pem
	  START_HASH  base64url SHA-256 of the epoch grant:
	                tr -d '\n' <grant.jws | openssl dgst -sha256 -binary | basenc --base64url | tr -d =
	              with SEQ: the entry before the first line, for a file that starts in the middle, as an ack has it
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

is_place() { # SEQ:HASH
	printf '%s\n' "$1" | LC_ALL=C grep -Eqx '[0-9]{1,10}:[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]'
}

for tool in openssl basenc sha256sum; do
	command -v "$tool" >/dev/null || usage "$tool is not installed"
done
[ $# -ge 4 ] || usage
file=$1 key=$2 start=$3 head=
case $4 in
--no-head) [ $# -eq 4 ] || usage "--no-head stands alone" ;;
--expect-head) [ $# -eq 5 ] || usage "--expect-head needs SEQ:HASH, and nothing behind it"; head=$5 ;;
*) usage "$4: neither --expect-head nor --no-head" ;;
esac
[ -f "$file" ] && [ -r "$file" ] || usage "$file: no such file, or not to be read"
openssl pkey -pubin -in "$key" -noout -text 2>/dev/null | grep -qi 'ED25519 Public-Key' ||
	usage "$key: not the public half of an Ed25519 key in PEM"
case $start in *:*) ;; *) start=0:$start ;; esac
is_place "$start" || usage "$3: START_HASH is 43 characters of base64url, with SEQ: before it where it is no grant"
[ -z "$head" ] || is_place "$head" || usage "$head: --expect-head is SEQ:HASH, the hash as 43 characters of base64url"
seq=${start%%:*} prev=${start#*:} line_number=0 chain=
[ -z "$head" ] || [ "${head%%:*}" -ge "$seq" ] || usage "$head: a head before the start proves nothing"
[ "$head" = "$start" ] && head=
first=$((seq + 1))
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
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
	if [ "$1" != "$((seq + 1))" ]; then
		[ "$seq" -ge "$first" ] || [ "$1" -le "$first" ] ||
			broken "the file starts in the middle, at entry $1: give $(($1 - 1)):HASH of the entry before as START_HASH"
		broken "says that it is entry $1"
	fi
	[ "$2" = "$prev" ] || [ "$seq" -ge "$first" ] || broken "does not follow START_HASH: another chain, or not its hash"
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
echo "intact: $((seq - first + 1)) entries hold, the newest is $seq:$prev"
