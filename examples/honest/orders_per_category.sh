# Orders per category, as people have always counted things in a shell. The input is one line of JSON; its line
# breaks are taken out of their escapes first.
sed 's/.*"csv":"//; s/".*//; s/\\n/\n/g' input.json |
    grep -E '^[0-9]+(,[^,]*){6}$' |
    cut -d, -f5 | sort | uniq -c | sort -k1,1nr -k2 |
    awk '{ print $2 "," $1 }' | tee categories.csv
