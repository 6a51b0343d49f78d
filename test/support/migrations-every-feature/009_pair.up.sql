create table pair_of_files (id integer primary key);
alter type point3 add attribute z integer;
