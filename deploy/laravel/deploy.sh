#!/usr/bin/env bash
# deploy.sh: puts a release of a Laravel application in place, or leaves everything as it was.
#
#   deploy.sh [--maintenance] [--restore-data] [--force REASON] [--health COMMAND] [--server NAME] APPLICATION RELEASE
#
# APPLICATION is a directory with the links `current`, which the web server follows, and `next`, which chom.yaml names as
# `migrations: {laravel: APPLICATION/next}`. RELEASE is the new release, with its dependencies installed.
#
#   1. a full backup, restored and compared (`chom backup --verification full`)
#   2. the migration check of the release (`chom migration check`)
#   3. `artisan migrate --force` in the release
#   4. `current` leads to the release
#   5. --health: this command has to succeed
#
# Where 3 or 5 fails, those migrations that this deploy has run are rolled back, and `current` leads to where it did. The
# schema is compared with what it was: what a migration that failed has left half-way is told, and not undone. With
# --restore-data all of the databases go back to the backup of step 1 instead, and what was written since is lost; CHOM_RESTORE_USER
# and CHOM_RESTORE_PASSWORD name the account for that, where the one of chom.yaml may only back up.
#
# Exit status: 0 deployed; 1 not deployed, all is as before; 2 usage; 3 the check could not tell, nothing was done;
# 4 not deployed, and not all is as before: the last lines say what.
set -Eeuo pipefail

say() { printf 'deploy: %s\n' "$*" >&2; }
usage() {
    say "$1"
    sed -n '3,4p' "$0" >&2
    exit 2
}

maintenance='' restore_data='' health='' server=() force=()
while [ $# -gt 0 ]; do
    case $1 in
    --maintenance) maintenance=yes ;;
    --restore-data) restore_data=yes ;;
    --force) force=(--force "${2:?--force needs a reason}") && shift ;;
    --health) health=${2:?--health needs a command} && shift ;;
    --server) server=(--server "${2:?--server needs a name}") && shift ;;
    --*) usage "there is no option $1" ;;
    *) break ;;
    esac
    shift
done
[ $# -eq 2 ] || usage "an application and a release are needed"
application=$(readlink -f "$1") release=$(readlink -f "$2")
[ -z "$restore_data" ] || [ ${#server[@]} -gt 0 ] || usage "--restore-data needs --server"
[ -f "$release/artisan" ] || usage "$release is no Laravel application: it has no artisan"
current=$application/current
former=$(readlink -f "$current" || true)

artisan() { (cd "$release" && php artisan "$@"); }
# of both formats of migrate:status, before and since Laravel 9.21
recorded() { artisan migrate:status | grep -cE '^\| Yes|\] Ran *$' || true; }
# a digest of the schema, whatever the check says of the migrations
schema_now() {
    { chom migration check "${server[@]}" --validate --json || true; } |
        php -r 'echo json_decode(stream_get_contents(STDIN), true)["schema"] ?? "unknown";'
}
lead() { # LINK TARGET: in one step, so that nobody finds no release
    ln -sfn "$2" "$1.new.$$"
    mv -T "$1.new.$$" "$1"
}

# --- before anything is changed

say "backing up, and restoring that to compare it"
if ! backup=$(chom backup "${server[@]}" --verification full --json); then
    say "the backup failed, or was not proved: nothing was done"
    exit 1
fi
id=$(php -r 'echo json_decode(stream_get_contents(STDIN), true)["backup"]["id"] ?? "";' <<<"$backup")
[ -n "$id" ] || { say "chom has told of no backup: nothing was done" && exit 1; }

lead "$application/next" "$release"
say "checking the migrations of $release"
status=0
chom migration check "${server[@]}" "${force[@]}" || status=$?
case $status in
0) ;;
3) say "the check could not tell: nothing was done" && exit 3 ;;
*) say "the check refused the release: nothing was done" && exit 1 ;;
esac
before=$(recorded) schema=$(schema_now)

# --- from here on everything is undone where something fails

undo() {
    local left='' after count
    say "$1"
    if [ -n "$former" ] && [ "$(readlink -f "$current" || true)" != "$former" ]; then
        lead "$current" "$former" || left+=" current leads to $release;"
    fi
    if [ -n "$restore_data" ]; then
        say "restoring $id: what was written since is lost"
        chom restore "$id" "${server[@]}" --into-server "${server[1]}" --replace \
            ${CHOM_RESTORE_USER:+--user "$CHOM_RESTORE_USER"} >&2 ||
            left+=" the restore of $id failed;"
    else
        after=$(recorded)
        count=$((after - before))
        # never without a number: that would roll back an earlier deploy where this one has recorded nothing
        if [ "$count" -gt 0 ] && ! artisan migrate:rollback --force --step="$count"; then
            left+=" $count migrations were run, and not all of them rolled back;"
        fi
    fi
    # the proof, whatever was rolled back: a failed migration may have left a part, and a rollback may forget one
    if [ "$(schema_now)" != "$schema" ]; then
        left+=" the schema is not what it was;"
        chom migration check "${server[@]}" --validate >&2 || true
    fi
    [ -z "$maintenance" ] || artisan up || left+=" the application is in maintenance mode;"
    if [ -n "$left" ]; then
        say "NOT all is as before:$left the backup is $id"
        exit 4
    fi
    say "not deployed; the code and the schema are the former; the backup is $id"
    exit 1
}

[ -z "$maintenance" ] || artisan down
artisan migrate --force || undo "a migration failed"
lead "$current" "$release"
if [ -n "$health" ] && ! bash -c "$health"; then
    undo "the release is not healthy: $health"
fi
[ -z "$maintenance" ] || artisan up
say "deployed $release; the backup before it is $id"
