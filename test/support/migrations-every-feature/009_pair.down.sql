alter type point3 drop attribute z;
drop table pair_of_files;
