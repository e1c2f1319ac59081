#!/bin/sh
# Stands in for Teleport's tctl on the machine of quick_start_test.py: takes the two commands of docs/quick-start.md and refuses
# what tctl would refuse, as far as it can tell. @FOLDER@ has the identity that "auth sign" gives, and what was created.
folder=@FOLDER@

fail() {
  echo "ERROR: $*" >&2
  exit 1
}

# The documents of a file, one a line: its settings with their indent, without comments and empty lines.
documents() {
  sed -e 's/^ *#.*//' -e '/^ *$/d' "$1" | awk '/^---$/ { print ""; next } { printf "%s|", $0 } END { print "" }'
}

create() {
  [ "$#,$1" = 2,-f ] || fail "usage: tctl create -f FILE"
  [ -r "$2" ] || fail "open $2: no such file or directory"
  ! grep -q "$(printf '\t')" "$2" || fail "$2: found character that cannot start any token"
  documents "$2" >"$folder/documents"
  while IFS= read -r document; do
    name=$(expr "$document" : '.*|metadata:|  name: "\([a-z-]*\)"|spec:|')
    case "$document" in
    'kind: role|version: v4|metadata:|'*'|spec:|  allow:|    rules:|      - resources: [event, session]|        verbs: [list, read]|' | \
      'kind: role|version: v4|metadata:|'*'|spec:|  allow:|    impersonate:|      users: ["'*'"]|      roles: ["'*'"]|')
      echo "role '$name' has been created" ;;
    'kind: user|version: v2|metadata:|'*'|spec:|  roles: ["'*'"]|')
      echo "user \"$name\" has been created" ;;
    *) fail "$2: this is neither a role nor a user as Sluice needs them: $document" ;;
    esac
    [ -n "$name" ] || fail "$2: an object has no name"
    echo "${document%%|*} $name" >>"$folder/created"
  done <"$folder/documents"
}

sign() {
  format='' user='' ttl='' out=''
  for option; do
    case "$option" in
    --format=*) format=${option#*=} ;;
    --user=*) user=${option#*=} ;;
    --ttl=*) ttl=${option#*=} ;;
    --out=*) out=${option#*=} ;;
    *) fail "unknown flag '$option'" ;;
    esac
  done
  [ "$format" = file ] || fail "--format=$format makes no identity file"
  expr "$ttl" : '[1-9][0-9]*h$' >/dev/null || fail "time: invalid duration \"$ttl\""
  for kind in role user; do
    grep -qx "kind: $kind $user" "$folder/created" || fail "$kind $user is not found"
  done
  [ -n "$out" ] || fail "--out is missing"
  [ ! -e "$out" ] || fail "$out is there already"
  install -m 0600 "$folder/identity" "$out"
  echo
  echo "The credentials have been written to $out"
}

case "$1 $2" in
"auth sign") shift 2 && sign "$@" ;;
create*) shift && create "$@" ;;
*) fail "expected command but got \"$1\"" ;;
esac
