from chom_pipelines.restores.renaming import (
    disabled,
    names_database,
    qualifiers,
    trigger_in,
    untied,
    view_in,
)


def test_a_view_is_renamed_where_it_qualifies_and_nowhere_else() -> None:
    view = b"CREATE VIEW `v` AS select '`old`.x' AS `old`,`old`.`t`.`a` AS `a` from `old`.`t`"
    assert view_in({"old": "new"}, view) == (
        b"CREATE VIEW `v` AS select '`old`.x' AS `old`,`new`.`t`.`a` AS `a` from `new`.`t`"
    )


def test_a_program_that_names_its_database_is_found_quoted_or_not() -> None:
    assert names_database(b"SELECT * FROM shop.orders", "shop")
    assert names_database(b"SELECT * FROM `shop` . orders", "shop")
    assert not names_database(b"SELECT 'shop.orders', bishop.orders, shop FROM t", "shop")


def test_names_that_are_exchanged_are_exchanged_once() -> None:
    sql = b"select `a`.`t`.`x`,`b`.`t`.`x` from (`a`.`t` join `b`.`t`)"
    assert view_in({"a": "b", "b": "c"}, sql) == b"select `b`.`t`.`x`,`c`.`t`.`x` from (`b`.`t` join `c`.`t`)"


def test_a_table_that_is_called_like_its_database_keeps_its_name() -> None:
    rename = {"a": "b"}
    assert view_in(rename, b"select `a`.`a`.`id` from `a`.`a`") == b"select `b`.`a`.`id` from `b`.`a`"
    assert view_in(rename, b"select `a`.`id` AS `id` from `a`") == b"select `a`.`id` AS `id` from `a`"
    assert view_in(rename, b"select `a`.`x`,`a`.`f`(`a`.`x`) from ((`a`.`t` `a` join `a`.`u`) join `c`.`a`)") == (
        b"select `a`.`x`,`b`.`f`(`a`.`x`) from ((`b`.`t` `a` join `b`.`u`) join `c`.`a`)"
    )


TABLE = b"""CREATE TABLE `c` (
  `id` int(11) NOT NULL DEFAULT nextval(`shop`.`numbers`) COMMENT '`other`.`x`',
  CONSTRAINT `here` FOREIGN KEY (`id`) REFERENCES `q` (`id`),
  CONSTRAINT `there` FOREIGN KEY (`id`) REFERENCES `other`.`p` (`id`),
  CONSTRAINT `moved` FOREIGN KEY (`id`) REFERENCES `shop`.`p` (`id`)
) ENGINE=InnoDB"""


def test_foreign_keys_to_what_stays_are_cut_and_others_are_kept() -> None:
    statement, left = untied(TABLE, {"shop": "copy"})
    assert left == ["there"]
    assert statement == TABLE.replace(b"  CONSTRAINT `there` FOREIGN KEY (`id`) REFERENCES `other`.`p` (`id`),\n", b"")
    assert untied(TABLE, {"shop": "copy", "other": "more"}) == (TABLE, [])


def test_databases_are_found_where_they_qualify_and_not_in_comments() -> None:
    assert qualifiers(TABLE) == {"shop", "other"}


def test_an_event_is_disabled_where_it_says_so_and_not_in_its_text() -> None:
    event = (
        b"CREATE DEFINER=`r`@`%` EVENT `e` ON SCHEDULE EVERY 1 DAY ON COMPLETION NOT PRESERVE ENABLE COMMENT ' x' DO "
    )
    body = b"SELECT ' ON COMPLETION PRESERVE ENABLE'"
    assert disabled(event + body) == (event.replace(b" ENABLE ", b" DISABLE ") + body, True)
    assert disabled(event.replace(b" ENABLE ", b" DISABLE ON SLAVE ")) == (
        event.replace(b" ENABLE ", b" DISABLE "),
        False,
    )


def test_a_trigger_is_made_in_the_copy_however_its_author_has_written_its_head() -> None:
    body = b" INSERT INTO shop.log VALUES (NEW.id)"
    moved = b"CREATE DEFINER=`a.b`@`%` TRIGGER `copy`.`audit` BEFORE INSERT ON `copy`.`orders` FOR EACH ROW" + body
    for head in (
        b"TRIGGER shop.`audit` BEFORE INSERT ON `shop` . orders FOR EACH ROW",
        b'TRIGGER "shop"."audit" before insert ON "shop"."orders" for each row',
        b"TRIGGER IF NOT EXISTS shop/**/.audit BEFORE INSERT ON shop /* x */ . orders FOR /* for each row */ EACH ROW",
        b"TRIGGER audit # it's for each row\nBEFORE INSERT ON orders /* don't */ FOR EACH\nROW",
    ):
        assert trigger_in("copy", b"`audit`", b"`orders`", b"CREATE DEFINER=`a.b`@`%` " + head + body) == moved
    assert trigger_in("copy", b"`audit`", b"`orders`", b"CREATE nothing of that kind") is None
