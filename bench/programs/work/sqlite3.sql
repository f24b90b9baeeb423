-- Rows made by arithmetic, indexed, joined, sorted, changed: all in memory.
create table item(id integer primary key, name text, price integer);
create table sale(id integer primary key, item integer, amount integer, day text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 8000)
insert into item select i, 'item ' || (i * 7919 % 20011), i * 31 % 997 from n;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000)
insert into sale select i, i * 7907 % 8000 + 1, i % 13, date('2020-01-01', (i % 700) || ' days') from n;
create index sale_item on sale(item);
create index sale_day on sale(day, amount);
select count(*), sum(amount), min(day), max(day) from sale;
select name, sum(amount * price) as t from sale join item on item.id = sale.item
    group by name order by t desc, name limit 20;
select substr(day, 1, 7) as m, count(*), sum(amount), group_concat(item, ' ') from sale
    where id % 7 = 0 group by m order by m limit 3;
update item set name = upper(name) || '/' || price where id % 3 = 0;
delete from sale where id % 5 = 0;
select count(*), sum(length(name)) from item;
